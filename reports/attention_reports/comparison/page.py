"""compare.html: one offline file, in the looks of the report."""

import math
from typing import Any

from attention_reports import outcomes
from attention_reports.cells import Row
from attention_reports.comparison import headline
from attention_reports.comparison.comparison import Comparison
from attention_reports.comparison.pairing import paired
from attention_reports.tables import tabulate
from attention_reports.templating import asset, templates

MOST_BROKEN = 100
MOST_ROWS = 400
WIDEST = math.log(2)  # a bar ends at half and at twice the time


def render(comparison: Comparison) -> str:
    """The page as text. Whatever a run holds is shown as text."""
    styles: dict[str, Any] = {"css": asset("report.css") + asset("compare.css"), "js": asset("report.js")}
    context = styles | _first_screen(comparison) | _sections(comparison)
    return templates({"style": lambda name: outcomes.named(name).css}).get_template("compare.html.j2").render(**context)


def _first_screen(comparison: Comparison) -> dict[str, Any]:
    return {
        "verdict": headline.verdict(comparison),
        "runs": [("A", comparison.before), ("B", comparison.after)],
        "right": headline.right(comparison),
        "fast": headline.fast(comparison),
        "conditions": headline.conditions(comparison),
    }


def _sections(comparison: Comparison) -> dict[str, Any]:
    broken, moved, timed = comparison.broken, comparison.moves, comparison.timings.to_dict("records")
    return {
        "broken": broken[:MOST_BROKEN],
        "fixed": comparison.fixed[:MOST_ROWS],
        "moves": moved[:MOST_ROWS],
        "timings": [{**row, "bar": _bar(row)} for row in timed[:MOST_ROWS]],
        "unshown": [max(0, len(rows) - most) for rows, most in ((broken, MOST_BROKEN), (moved, MOST_ROWS), (timed, MOST_ROWS))],
        "environments": _environments(comparison),
    }


def _bar(row: Row) -> tuple[float, float, float] | None:
    """Left end, width and middle of the interval in percent, on a logarithmic axis with 1 in the middle; None without one."""
    ends = [row["change_low"], row["change"], row["change_high"]]
    if not all(end >= 0 for end in ends):  # neither does NaN
        return None
    low, middle, high = (_position(end) for end in ends)
    return low, high - low, middle


def _position(value: float) -> float:
    share = math.log(value) / WIDEST if 0 < value < math.inf else math.copysign(1, value - 1)
    return 50 + 50 * max(-1.0, min(1.0, share))


def _environments(comparison: Comparison) -> list[Row]:
    """The environments side by side, what differs first; `load` and times always do."""
    both = paired(tabulate(comparison.before, "environment"), tabulate(comparison.after, "environment"), ["fact"])
    rows = [{**row, "differs": row["value_before"] != row["value_after"]} for row in both.to_dict("records")]
    return sorted(rows, key=lambda row: not row["differs"])

"""compare.md: the comparison for a pull request."""

from attention_reports.cells import Row
from attention_reports.comparison import headline
from attention_reports.comparison.comparison import Comparison
from attention_reports.github import MARKS, escape, fenced, table
from attention_reports.text import count, in_words, listed, number

MOST_BROKEN = 15
MOST_ROWS = 30
UNTOLD = ("SAME", "BASELINE")


def render(comparison: Comparison) -> str:
    """GitHub-flavoured Markdown, short enough for one comment."""
    verdict = headline.verdict(comparison)
    summary = "\n".join(f"- {escape(line, 500)}" for line in headline.summary(comparison))
    head = [f"### {MARKS[verdict.tone]} {escape(verdict.sentence, 1000)}", summary]
    blocks = [*head, *_broken(comparison), *_fixed(comparison), *_moves(comparison), *_timings(comparison)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _broken(comparison: Comparison) -> list[str]:
    broken = comparison.broken
    blocks = [f"**{escape(headline.broken(cell))}**\n\n{_evidence(cell)}" for cell in broken[:MOST_BROKEN]]
    return ["#### What broke" if broken else "", *blocks, _more(len(broken) - MOST_BROKEN)]


def _evidence(cell: Row) -> str:
    return fenced(cell["message"][:500], f"replay: {cell['replay'][:300]}" if cell["replay"] else "")


def _fixed(comparison: Comparison) -> list[str]:
    fixed = comparison.fixed
    lines = [[escape(text, 80) for text in fixed_cell(cell)] for cell in fixed]
    head = ["implementation", "property", "dtypes", "was"]
    return ["#### What was fixed" if fixed else "", table(head, lines[:MOST_ROWS]), _more(len(lines) - MOST_ROWS)]


def fixed_cell(cell: Row) -> list[str]:
    """A property that was fixed, as a line of a table."""
    return [cell["implementation"], in_words(cell["property"]), ", ".join(cell["dtypes"]), cell["before"]]


def _moves(comparison: Comparison) -> list[str]:
    lines = [[escape(text, 80) for text in moved(row)] for row in comparison.moves]
    changes = table(["implementation", "change", "from", "to", "properties", "why"], lines[:MOST_ROWS])
    return ["#### What else changed" if lines else "", changes, _more(len(lines) - MOST_ROWS)]


def moved(row: Row) -> list[str]:
    """Checks that neither broke nor were fixed, as a line of a table."""
    names = listed(map(in_words, row["properties"]), 2)
    return [row["implementation"], row["change"], row["before"], row["after"], names, row["message"]]


def _timings(comparison: Comparison) -> list[str]:
    rows = [row for row in comparison.timings.to_dict("records") if row["verdict"] not in UNTOLD]
    head = ["workload", "implementation", "verdict", "time, B / A", "95 % interval", ""]
    lines = [[escape(text, 80) for text in timed(row)] for row in rows]
    return ["#### Timings" if rows else "", table(head, lines[:MOST_ROWS]), _more(len(rows) - MOST_ROWS)]


def timed(row: Row) -> list[str]:
    """A timing as a line of a table; what has no change has no number."""
    known = row["change"] == row["change"]
    interval = f"{number(row['change_low'])} to {number(row['change_high'])}" if known else ""
    change = f"{number(row['change'])}×" if known else ""
    return [headline.place(row), row["implementation"], row["verdict"], change, interval, row["reason"]]


def _more(left: int) -> str:
    return f"{count(left, 'further line')} in compare.html and the CSV files." if left > 0 else ""

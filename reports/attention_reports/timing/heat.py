"""Speed-ups of all implementations on all workloads at once."""

import math
from collections import Counter

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from attention_reports.cells import Row
from attention_reports.drawing import svg
from attention_reports.drawing.axes import label
from attention_reports.tables.speed import GROUP
from attention_reports.text import visible

MOST_COLUMNS = 40
STRONGEST = 8.0
"""A speed-up at which the colour is full, or a slow-down."""
TOLD = "Rows are implementations, columns workloads; a number is a speed-up, grey is unresolved, hatched has no valid time."


def heat(name: str, timings: pd.DataFrame) -> str:
    """The table "timings" as a grid, the workloads that are no sweep's first; "" unless there are two of both."""
    keys = _columns(timings)
    names = list(dict.fromkeys(timings["implementation"]))
    if len(keys) < 2 or len(names) < 2:
        return ""
    titles = _titles(keys)
    width = 0.4 * len(keys) + 0.4 + 0.065 * max(len(label(who)) for who in names)
    height = 0.26 * len(names) + 0.3 + 0.065 * max(map(len, titles))
    places = {"rows": {who: place for place, who in enumerate(names)}, "columns": {key: place for place, key in enumerate(keys)}}
    return svg.drawing(name, "Speed-ups", width, height, lambda figure: _heat(figure, timings, places, titles), TOLD)


def _columns(timings: pd.DataFrame) -> list[tuple[str, ...]]:
    ordered = pd.concat([timings[timings["sweep"] == ""], timings[timings["sweep"] != ""]])
    return list(dict.fromkeys(ordered[GROUP].itertuples(index=False, name=None)))[:MOST_COLUMNS]


def _titles(keys: list[tuple[str, ...]]) -> list[str]:
    """The workload; its dtype and direction too where it was timed in several."""
    names = Counter(key[0] for key in keys)
    return [label(" ".join(visible(word) for word in (key if names[key[0]] > 1 else key[:1]))) for key in keys]


def _heat(figure: Figure, timings: pd.DataFrame, places: dict[str, dict[object, int]], titles: list[str]) -> None:
    axes = figure.subplots()
    for row in timings.to_dict("records"):
        column = places["columns"].get(tuple(row[name] for name in GROUP))
        if column is not None:
            _cell(axes, places["rows"][row["implementation"]], column, row)
    axes.set_xlim(-0.5, len(titles) - 0.5)
    axes.set_ylim(len(places["rows"]) - 0.5, -0.5)
    axes.set_xticks(range(len(titles)), titles, rotation=90)
    axes.set_yticks(range(len(places["rows"])), [label(who) for who in places["rows"]])
    axes.tick_params(length=0, labelcolor=svg.INK)
    axes.spines[:].set_visible(False)


def _cell(axes: Axes, line: int, column: int, row: Row) -> None:
    look = {"facecolor": "none", "edgecolor": svg.LINE, "linewidth": 0.0}
    speedup = float(row["speedup"])
    if row["verdict"] == "INVALID":
        look |= {"hatch": "////"}
    elif not 0 < speedup < math.inf:
        return
    else:
        look |= _shade(speedup, str(row["verdict"]))
        axes.text(column, line, _short(speedup), ha="center", va="center", fontsize=6.5)
    axes.add_patch(Rectangle((column - 0.46, line - 0.44), 0.92, 0.88, clip_on=False, **look))  # type: ignore[arg-type]


def _shade(speedup: float, verdict: str) -> dict[str, object]:
    """Stronger the farther from 1, as a ratio; what was not resolved has no direction."""
    if verdict == "BASELINE":
        return {"facecolor": svg.LINE, "alpha": 0.4}
    if verdict == "UNRESOLVED":
        return {"facecolor": svg.MUTED, "alpha": 0.22}
    colour = svg.ACCENT if speedup > 1 else svg.WARNING
    return {"facecolor": colour, "alpha": 0.06 + 0.64 * min(abs(math.log(speedup)) / math.log(STRONGEST), 1.0)}


def _short(speedup: float) -> str:
    return f"{speedup:.0f}" if speedup >= 10 else f"{speedup:.2g}" if speedup >= 0.01 else "<.01"

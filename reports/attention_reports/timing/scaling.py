"""The picture of a sweep: time against what is varied, both logarithmic, with the quartiles as a band."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attention_reports.cells import Row
from attention_reports.drawing import svg
from attention_reports.drawing.axes import Looks, around, legend, logarithmic, quiet
from attention_reports.text import number, plainly


def scaling(name: str, group: pd.DataFrame, exponents: list[Row], looks: Looks) -> str:
    """One sweep in one direction: rows of the table "swept", and those of "scaling" that belong to them."""
    description = "; ".join(f"{row['implementation']}: {_exponent(row)}" for row in exponents)
    varied = str(group["varied"].iloc[0])
    height = max(2.6, 0.4 + 0.19 * len(exponents))
    title, description = f"Time against {varied}", f"Exponents: {description}"
    return svg.drawing(name, title, 6.6, height, lambda figure: _scaling(figure, group, exponents, looks), description)


def _scaling(figure: Figure, group: pd.DataFrame, exponents: list[Row], looks: Looks) -> None:
    axes = figure.subplots()
    for row in exponents:
        _line(axes, group[group["implementation"] == row["implementation"]], row, looks)
    logarithmic(axes, "x", around(group["value"], 1.12), lambda value: f"{value:g}")
    axes.set_xticks(sorted(set(group["value"])), [f"{value:g}" for value in sorted(set(group["value"]))])
    logarithmic(axes, "y", around([*group["median"], *group["q1"], *group["q3"]]), plainly)
    axes.set_xlabel(str(group["varied"].iloc[0]).replace("_", " "))
    axes.set_ylabel("time of a call")
    quiet(axes)
    legend(figure)


def _line(axes: Axes, points: pd.DataFrame, row: Row, looks: Looks) -> None:
    look = looks[str(row["implementation"])]
    named = {**look, "label": f"{look['label']}  {_exponent(row)}"}
    axes.plot(points["value"], points["median"], **{**named, "linewidth": 1.4, "markersize": 4})
    axes.fill_between(points["value"], points["q1"], points["q3"], color=look["color"], alpha=0.18, linewidth=0)


def _exponent(row: Row) -> str:
    exponent, low, high = (float(row[f"time {what}"]) for what in ("exponent", "low", "high"))
    return f"{number(exponent)} [{number(low)}, {number(high)}]" if low == low else ""

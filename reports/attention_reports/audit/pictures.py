"""The picture of an audit: how soon the faults are rejected."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from attention_reports.cells import Row
from attention_reports.drawing import svg
from attention_reports.text import duration, plainly


def soon(name: str, faults: pd.DataFrame, marks: list[Row], unit: str) -> str:
    """The share of all faults that was rejected within so many `unit`s ("cases" or "seconds"), on a logarithmic axis.

    `marks` are the rows of the table "first rejection".
    """
    values = sorted(float(value) for value in faults.loc[faults["killed_by"] != "", unit] if value > 0)
    if not values:
        return ""
    title = f"Share of the faults that was rejected within so many {unit}"
    return svg.drawing(name, title, 4.6, 2.3, lambda figure: _soon(figure, values, len(faults), marks, unit))


def _soon(figure: Figure, values: list[float], total: int, marks: list[Row], unit: str) -> None:
    axes = figure.subplots()
    reached = [(value, (place + 1) / total) for place, value in enumerate(values)]
    steps = [point for point, after in zip(reached, [*reached[1:], None], strict=True) if not after or after[0] > point[0]]
    axes.set_xscale("log")
    axes.set_xlim(values[0] / 1.15, values[-1] * 1.15)
    axes.set_ylim(0, 1.02)
    every = [(values[0], 0.0), *steps, (values[-1] * 1.15, steps[-1][1])]
    x, y = [point[0] for point in every], [point[1] for point in every]
    axes.step(x, y, where="post", color=svg.AGREES, linewidth=1.8)
    axes.fill_between(x, y, step="post", color=svg.AGREES, alpha=0.12, linewidth=0)
    for mark in marks:
        _mark(axes, float(mark[unit]), float(mark["share"]), unit)
    _dress(axes, unit)


def _mark(axes: Axes, value: float, share: float, unit: str) -> None:
    """The point by which so many faults were rejected, with its value beside it."""
    label = f"{value:,.0f}" if unit == "cases" else duration(value)
    axes.plot([value], [share], marker="o", markersize=5, color=svg.AGREES)
    axes.annotate(label, (value, share), (6, -11), textcoords="offset points", color=svg.INK)


def _dress(axes: Axes, unit: str) -> None:
    say = {"cases": lambda value, _: f"{value:g}", "seconds": lambda value, _: plainly(value)}
    axes.xaxis.set_major_formatter(FuncFormatter(say[unit]))
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 100 * low else (1.0,)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_yticks([0, 0.5, 0.9, 1], ["0", "50 %", "90 %", "all"])
    axes.set_xlabel({"cases": "cases until it was rejected", "seconds": "time until it was rejected"}[unit])
    axes.grid(color=svg.LINE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)

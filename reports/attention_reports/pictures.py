"""The report's pictures: speed-ups with intervals, pairwise agreement, where the time went, and the wrong elements of a failing case."""

import math
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from attention_reports.drawing import svg
from attention_reports.drawing.axes import label, logarithmic, quiet
from attention_reports.text import number

Cells = list[list[float]]
PART_COLOURS = (svg.MUTED, svg.ACCENT, svg.WARNING, svg.PURPLE, svg.VIOLATES, svg.AGREES)
"""Of the parts of a profile; the next ones have them again, paler."""


def speedups(name: str, group: pd.DataFrame, limits: tuple[float, float]) -> str:
    """Dots and intervals of one workload's speed-ups on a logarithmic axis; `group` as in the table "timings"."""
    rows = [row for row in group.to_dict("records") if math.isfinite(row["speedup"]) or row["verdict"] == "INVALID"]
    return svg.drawing(
        name, "Speed-up with intervals", 4.6, 0.62 + 0.24 * len(rows), lambda figure: _speedups(figure, rows, limits)
    )


def speedup_limits(timings: pd.DataFrame) -> tuple[float, float]:
    """One axis for all workloads, so that two charts can be compared by eye."""
    values = pd.concat([timings["speedup_low"], timings["speedup_high"], timings["speedup"]])
    finite = values[(values > 0) & (values < math.inf)]
    return (min(0.5, float(finite.min()) / 1.2), max(2.0, float(finite.max()) * 1.2)) if len(finite) else (0.5, 2.0)


def _speedups(figure: Figure, rows: list[dict[Any, Any]], limits: tuple[float, float]) -> None:
    axes = figure.subplots()
    logarithmic(axes, "x", limits, lambda value: f"{value:g}×")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.axvline(1, color=svg.MUTED, linewidth=0.8)
    for place, row in enumerate(rows):
        _speedup(axes, place, row, limits)
    axes.set_yticks(range(len(rows)), [label(row["implementation"]) for row in rows])
    quiet(axes)
    axes.grid(visible=False, axis="y")
    axes.spines[["left", "bottom"]].set_visible(False)


def _speedup(axes: Axes, place: int, row: dict[Any, Any], limits: tuple[float, float]) -> None:
    if row["verdict"] == "INVALID":  # a wrong result has no time: the row is there, the number is not
        low, high = limits
        axes.add_patch(
            Rectangle((low, place - 0.3), high - low, 0.6, facecolor="none", edgecolor=svg.LINE, hatch="////", linewidth=0)
        )
        return
    colours = {"FASTER": svg.AGREES, "SLOWER": svg.VIOLATES, "SAME": svg.ACCENT, "BASELINE": svg.INK}
    colour = colours.get(row["verdict"], svg.MUTED)
    low, high = row["speedup_low"], row["speedup_high"]
    if math.isfinite(low) and math.isfinite(high):
        axes.plot([low, high], [place, place], color=colour, linewidth=2.2, solid_capstyle="round", alpha=0.6)
    hollow = row["verdict"] == "UNRESOLVED"
    axes.plot([row["speedup"]], [place], marker="D" if row["verdict"] == "BASELINE" else "o", markersize=5.5, color=colour,
              markerfacecolor=svg.PAPER if hollow else colour)  # fmt: skip


def agreement(name: str, matrix: pd.DataFrame) -> str:
    """The pairwise differences in units of the bound, as a heat map; one half, since they are symmetric."""
    size = 0.34 * len(matrix) + 0.5 + 0.07 * max(len(label(entry)) for entry in matrix.index)
    return svg.drawing(name, "Pairwise differences in units of the bound", size, size, lambda figure: _agreement(figure, matrix))


def profile(name: str, seconds: pd.DataFrame) -> str:
    """Wall-clock seconds of each implementation's check as a bar, part by part; `seconds` as in the table "profile"."""
    height = 0.9 + 0.24 * len(seconds) + 0.2 * -(-len(seconds.columns) // 4)
    return svg.drawing(name, "Seconds of each check by part", 7.0, height, lambda figure: _profile(figure, seconds))


def _profile(figure: Figure, seconds: pd.DataFrame) -> None:
    axes = figure.subplots()
    starts = seconds.cumsum(axis=1) - seconds
    for place, part in enumerate(seconds.columns):
        colour, alpha = PART_COLOURS[place % len(PART_COLOURS)], 0.85 if place < len(PART_COLOURS) else 0.45
        axes.barh(range(len(seconds)), seconds[part], 0.7, starts[part], label=part, color=colour, alpha=alpha, lw=0)
    axes.set_yticks(range(len(seconds)), [label(name) for name in seconds.index])
    axes.set_ylim(len(seconds) - 0.5, -0.5)
    axes.set_xlabel("seconds")
    quiet(axes)
    axes.grid(visible=False, axis="y")
    axes.spines[:].set_visible(False)
    figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=8, handlelength=1.0)


def _agreement(figure: Figure, matrix: pd.DataFrame) -> None:
    axes = figure.subplots()
    names, values = [label(name) for name in matrix.index], matrix.to_numpy(dtype=float)
    for i in range(1, len(names)):
        for j in range(i):
            _pair(axes, i, j, values[i][j], numbered=len(names) <= 20)
    axes.set_xlim(-0.5, len(names) - 1.5)
    axes.set_ylim(len(names) - 0.5, 0.5)
    axes.set_aspect("equal")
    axes.set_xticks(range(len(names) - 1), names[:-1], rotation=90)
    axes.set_yticks(range(1, len(names)), names[1:])
    axes.tick_params(length=0, labelcolor=svg.INK)
    axes.spines[:].set_visible(False)


def _pair(axes: Axes, i: int, j: int, ratio: float, *, numbered: bool) -> None:
    """Up to 1 the two are as close as the bound asks of one; beyond 2 they cannot both be within it."""
    if math.isnan(ratio):
        return
    colour = svg.ACCENT if ratio <= 1 else svg.WARNING if ratio <= 2 else svg.VIOLATES
    strength = 0.08 + 0.4 * min(ratio, 1.0) if ratio <= 1 else 0.6
    axes.add_patch(Rectangle((j - 0.46, i - 0.46), 0.92, 0.92, facecolor=colour, alpha=strength, linewidth=0, clip_on=False))
    if numbered:
        label = number(ratio) if ratio >= 1000 or ratio < 0.005 else f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
        axes.text(j, i, label if len(label) < 6 else f"{ratio:.0e}", ha="center", va="center", fontsize=6.5)


def counterexample(name: str, picture: dict[str, Any]) -> str:
    """The mask of a failing case beside its error / bound; "" where the record holds neither."""
    mask, error = _cells(picture.get("mask")), _cells(picture.get("error"))
    panels = [(title, cells) for title, cells in (("mask", mask), ("error / bound", error)) if cells]
    if not panels:
        return ""
    unit = min(0.2, 3.0 / max(max(len(cells), len(cells[0])) for _, cells in panels))
    width = sum(unit * len(cells[0]) + 0.75 for _, cells in panels)
    height = unit * max(len(cells) for _, cells in panels) + 0.75
    return svg.drawing(name, "Where the case is wrong", max(width, 2.6), max(height, 1.1), lambda figure: _panels(figure, panels))


def _panels(figure: Figure, panels: list[tuple[str, Cells]]) -> None:
    every = figure.subplots(1, len(panels), squeeze=False, width_ratios=[len(cells[0]) + 2 for _, cells in panels])[0]
    for axes, (title, cells) in zip(every, panels, strict=True):
        is_mask = title == "mask"
        for i, row in enumerate(cells):
            for j, value in enumerate(row):
                axes.add_patch(_square(i, j, value, is_mask))
        axes.set(xlim=(-0.6, len(cells[0]) - 0.4), ylim=(len(cells) - 0.4, -0.6), aspect="equal", xticks=[], yticks=[])
        axes.set_title(title)
        axes.set_xlabel("key" if is_mask else "output dim")
        axes.set_ylabel("query")
        axes.spines[:].set_visible(False)


def _square(i: int, j: int, value: float, is_mask: bool) -> Rectangle:
    wrong = not is_mask and not value <= 1  # NaN is wrong
    colour = svg.VIOLATES if wrong else svg.INK if is_mask else svg.ACCENT
    strength = 0.9 if wrong else 0.75 * bool(value) + 0.08 if is_mask else 0.08 + 0.5 * max(value, 0.0)
    return Rectangle((j - 0.45, i - 0.45), 0.9, 0.9, facecolor=colour, alpha=strength, linewidth=0, clip_on=False)


def _cells(value: Any) -> Cells:
    """A rectangle of numbers, or nothing: JSON may hold null or "nan" for what is not finite."""
    if not isinstance(value, list) or not value or not all(isinstance(row, list) and row for row in value):
        return []
    if len({len(row) for row in value}) != 1 or max(len(value), len(value[0])) > 64:
        return []
    return [[_float(entry) for entry in row] for row in value]


def _float(entry: Any) -> float:
    try:
        return float(entry)
    except (TypeError, ValueError):
        return math.nan

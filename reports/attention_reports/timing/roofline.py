"""The roofline: work for each byte that a call must move against its speed, below measured ceilings."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attention_reports.cells import Row
from attention_reports.drawing import svg
from attention_reports.drawing.axes import Looks, around, dot, legend, logarithmic, quiet

TOLD = "Each point is an implementation on a workload; the lines are the fastest matrix product and the bandwidth that were measured."


def roofline(name: str, points: pd.DataFrame, ceilings: list[Row], looks: Looks) -> str:
    """After Williams, Waterman and Patterson 2009; rows of the tables "roofline" and "ceilings". "" without points or ceilings."""
    if points.empty or not ceilings:
        return ""
    return svg.drawing(name, "Roofline", 6.6, 3.1, lambda figure: _roofline(figure, points, ceilings, looks), TOLD)


def _roofline(figure: Figure, points: pd.DataFrame, ceilings: list[Row], looks: Looks) -> None:
    axes = figure.subplots()
    ridges = [row["machine_gflops"] * 1e9 / row["bandwidth"] for row in ceilings]
    tops = [row["machine_gflops"] for row in ceilings]
    logarithmic(axes, "x", around([*points["intensity"], *ridges], 1.6), lambda value: f"{value:g}")
    logarithmic(axes, "y", around([*points["gflops"], *tops], 1.6), lambda value: f"{value:g}")
    for row, ridge in zip(ceilings, ridges, strict=True):
        _ceiling(axes, row, ridge)
    for row in points.to_dict("records"):
        dot(axes, row["intensity"], row["gflops"], looks[str(row["implementation"])], hollow=row["verdict"] == "UNRESOLVED")
    axes.set_xlabel("FLOP for each byte")
    axes.set_ylabel("GFLOP/s")
    quiet(axes)
    legend(figure)


def _ceiling(axes: Axes, row: Row, ridge: float) -> None:
    """Memory-bound up to the ridge, bound by arithmetic beyond it."""
    low, high = axes.get_xlim()
    top = row["machine_gflops"]
    axes.plot([low, ridge, high], [top * low / ridge, top, top], color=svg.MUTED, linewidth=1.2)
    axes.annotate(str(row["dtype"]), (high, top), (-2, 3), textcoords="offset points", ha="right", color=svg.MUTED, fontsize=8)

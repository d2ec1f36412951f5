"""Accuracy against speed, and the front of implementations that none beats in both."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attention_reports.drawing import svg
from attention_reports.drawing.axes import Looks, around, dot, legend, logarithmic, quiet
from attention_reports.tables.speed_pictures import PANEL
from attention_reports.text import count, listed

MOST_PANELS = 4


def pareto(name: str, points: pd.DataFrame, looks: Looks) -> str:
    """A panel for each dtype and direction of the table "accuracy and speed"; "" without points."""
    panels = [(" ".join(map(str, key)), group) for key, group in points.groupby(PANEL, sort=False)][:MOST_PANELS]
    if not panels:
        return ""
    description = "; ".join(
        f"on the front in {title}: {listed(group['implementation'][group['front']], 20)}" for title, group in panels
    )
    height = 0.4 + 2.4 * ((len(panels) + 1) // 2)
    return svg.drawing(name, "Accuracy against speed", 6.6, height, lambda figure: _panels(figure, panels, looks), description)


def _panels(figure: Figure, panels: list[tuple[str, pd.DataFrame]], looks: Looks) -> None:
    across = min(2, len(panels))
    every = figure.subplots((len(panels) + 1) // 2, across, squeeze=False).flat
    for axes in every[len(panels) :]:
        axes.set_visible(False)
    for axes, (title, group) in zip(every, panels, strict=False):
        _panel(axes, group, looks)
        axes.set_title(f"{title}, {count(int(group['workloads'].iloc[0]), 'workload')}")
    legend(figure)


def _panel(axes: Axes, group: pd.DataFrame, looks: Looks) -> None:
    """Up is more accurate, right is faster, so that the front is at the upper right."""
    least = group.loc[group["error"] > 0, "error"].min()
    points = group.assign(error=group["error"].clip(lower=least / 3 if least == least else 1.0))  # zero has no logarithm
    logarithmic(axes, "x", around(points["speedup"], 2.0), lambda value: f"{value:g}×")
    low, high = around(points["error"], 3.0)
    logarithmic(axes, "y", (low, high), lambda value: f"{value:.0e}")
    axes.set_ylim(high, low)
    _front(axes, points[points["front"]].sort_values("speedup"))
    for row in points.to_dict("records"):
        dot(axes, row["speedup"], row["error"], looks[str(row["implementation"])], hollow=not row["front"])
    axes.set_xlabel("speed-up")
    axes.set_ylabel("worst error")
    quiet(axes)


def _front(axes: Axes, front: pd.DataFrame) -> None:
    """The border of what is beaten by some point of the front: as good or worse in both."""
    x = [axes.get_xlim()[0], *front["speedup"], front["speedup"].iloc[-1]]
    y = [front["error"].iloc[0], *front["error"], axes.get_ylim()[0]]
    axes.step(x, y, where="pre", color=svg.MUTED, linewidth=1.0, linestyle="--")

"""First calls beside steady ones, and the number of calls that earn the difference back."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attention_reports.cells import Row
from attention_reports.drawing import svg
from attention_reports.drawing.axes import around, label, logarithmic, quiet
from attention_reports.text import calls, plainly


def cold(name: str, rows: list[Row]) -> str:
    """A line from a steady call to the first one for each row of the table "first calls"; "" without rows."""
    if not rows:
        return ""
    description = "; ".join(f"{row['implementation']}: {earned(row)}" for row in rows if earned(row))
    height = 0.65 + 0.24 * len(rows)
    return svg.drawing(name, "First calls and steady calls", 6.6, height, lambda figure: _cold(figure, rows), description)


def earned(row: Row) -> str:
    """When the first call has paid for itself, in words; "" where there is nothing to earn back."""
    needed = calls(float(row["break_even"]))
    return "never earned back" if needed == "never" else f"earned back after {needed}" if needed else ""


def _cold(figure: Figure, rows: list[Row]) -> None:
    axes = figure.subplots()
    low, high = around([value for row in rows for value in (row["median"], row["first_call"])])
    logarithmic(axes, "x", (low, high), plainly)
    for place, row in enumerate(rows):
        _dumbbell(axes, place, row)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [label(row["implementation"]) for row in rows])
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(len(rows)), [earned(row) for row in rows])
    right.tick_params(length=0, labelcolor=svg.MUTED)
    right.spines[:].set_visible(False)
    axes.spines[["left", "bottom"]].set_visible(False)
    quiet(axes)
    axes.grid(visible=False, axis="y")


def _dumbbell(axes: Axes, place: int, row: Row) -> None:
    axes.plot([row["median"], row["first_call"]], [place, place], color=svg.WARNING, linewidth=2.2, alpha=0.6)
    axes.plot([row["median"]], [place], marker="o", markersize=5.5, color=svg.ACCENT)
    axes.plot([row["first_call"]], [place], marker="o", markersize=5.5, color=svg.WARNING, markerfacecolor=svg.PAPER)

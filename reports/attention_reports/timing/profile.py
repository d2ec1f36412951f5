"""The performance profile: the share of workloads on which an implementation is within a factor of the fastest."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attention_reports.drawing import svg
from attention_reports.drawing.axes import Looks, legend, logarithmic, quiet
from attention_reports.text import percent

FARTHEST = 30.0
"""Beyond that factor nobody's choice depends on it."""


def profile(name: str, factors: pd.DataFrame, looks: Looks) -> str:
    """After Dolan and More 2002; `factors` is the table "factors of the best". "" for fewer than two rows or columns."""
    if min(factors.shape) < 2:
        return ""
    description = "; ".join(f"{who} is the fastest of {percent(share(row, 1.0))}" for who, row in _rows(factors))
    return svg.drawing(name, "Performance profile", 6.6, 2.9, lambda figure: _profile(figure, factors, looks), description)


def share(factors: np.ndarray, within: float) -> float:
    """The share of the workloads on which it is within that factor of the fastest; one without a time never is."""
    return float((factors <= within).mean())


def _rows(factors: pd.DataFrame) -> list[tuple[str, np.ndarray]]:
    """The implementation that is fastest most often comes first."""
    rows = [(str(who), row.to_numpy(dtype=float)) for who, row in factors.iterrows()]
    return sorted(rows, key=lambda entry: -share(entry[1], 1.0))


def _profile(figure: Figure, factors: pd.DataFrame, looks: Looks) -> None:
    axes = figure.subplots()
    finite = factors.to_numpy()[np.isfinite(factors.to_numpy())]
    end = min(FARTHEST, max(1.5, 1.1 * float(finite.max(initial=1.0))))
    for who, row in _rows(factors):
        _steps(axes, row, end, looks[who])
    logarithmic(axes, "x", (1.0, end), lambda value: f"{value:g}×")
    axes.set_ylim(-0.02, 1.04)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "all"])
    axes.set_xlabel("within this factor of the fastest")
    axes.set_ylabel("workloads")
    quiet(axes)
    legend(figure)


def _steps(axes: Axes, row: np.ndarray, end: float, look: dict[str, object]) -> None:
    at = [1.0, *sorted(float(factor) for factor in row if 1.0 < factor < end), end]
    axes.step(at, [share(row, factor) for factor in at], where="post", linewidth=1.5, markersize=3.5, **look)  # type: ignore[arg-type]

"""Small pictures of masks, biases, layouts and recipes, as SVG that is the same in every build."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.typing import ColorType

from attention_specs.attention.problem import Problem
from attention_specs.attention.recipes import DRAWN, RECIPES
from attention_specs.biases import Bias
from attention_specs.masks import Mask
from generator.examples import TellingDraws

matplotlib.rcParams |= {"svg.hashsalt": "handbook", "font.size": 7}
CELL, MEMORY_CELL, LARGEST_CELL = 0.14, 0.2, 0.3
"""Inches of a cell."""
WIDEST = 6.0
"""Inches of a large picture."""
A_ROW = 12
"""Cells of memory in a row."""
FAR = 30.0
"""Larger biases look like this one."""


def mask(example: Mask) -> str:
    """The first entry and head: visible cells are dark."""
    return _cells(_first(example.dense(*_sizes())).astype(float), "Blues", 0, 1.3)


def bias(example: Bias) -> str:
    """The first entry and head; hidden cells are grey."""
    dense = _first(example.dense(*_sizes()))
    values = np.where(np.isfinite(dense), np.clip(dense, -FAR, FAR), np.nan)
    reach = max(float(np.nanmax(np.abs(values))), 1.0)
    return _cells(values, "RdBu_r", -reach, reach)


def recipe(name: str) -> str:
    """The weights of 8 queries on 16 keys; "" for a recipe of one named case."""
    if name not in DRAWN:
        return ""
    q, k, _ = RECIPES[name](np.random.default_rng(0), Problem(query_length=8, key_length=16, head_dim=8, value_dim=8))
    with np.errstate(all="ignore"):
        scores = (q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]))[0, 0]
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return _cells(powers / powers.sum(axis=-1, keepdims=True), "Greens", 0, None)


def weights(values: np.ndarray, row: int | None) -> str:
    """Weights [Lq, Lk], NaN where a key is hidden, with a frame around one row."""
    return _cells(values.astype(np.float64), "Greens", 0, 1, row, large=True)


def layout(place: Callable[[np.ndarray], np.ndarray]) -> str:
    """The memory of an array [1, 2, 3, 4]: the head, position and channel of the element in each cell."""
    cells = _addresses(place(np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)))
    rows = 1 + int(cells.max()) // A_ROW
    figure, axes = _figure(A_ROW, rows, MEMORY_CELL)
    for cell in range(int(cells.max()) + 1):
        colour, text = _look(np.argwhere(cells == cell))
        row, column = divmod(cell, A_ROW)
        axes.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, edgecolor="white", linewidth=0.5))
        axes.text(column + 0.5, row + 0.55, text, ha="center", va="center", fontsize=6)
    axes.set(xlim=(0, A_ROW), ylim=(rows, 0))
    return _svg(figure)


def _addresses(array: np.ndarray) -> np.ndarray:
    """The memory cell of each element as [heads, length, dim], counted from the first that is used."""
    four = array.reshape((1,) * (4 - array.ndim) + array.shape) if array.ndim < 4 else array
    steps = [np.arange(n) * stride // four.itemsize for n, stride in zip(four.shape, four.strides, strict=True)]
    cells = sum(np.ix_(*steps))[0]  # type: ignore[index]
    return np.asarray(cells - cells.min())


def _look(owners: np.ndarray) -> tuple[ColorType, str]:
    """The colour and the text of a cell that these elements share."""
    if not len(owners):
        return "#d9d9d9", ""
    head, position, channel = owners[0]
    return matplotlib.colormaps["Blues" if head == 0 else "Oranges"](0.2 + 0.2 * position), str(channel)


def _sizes() -> tuple[int, int, int, int]:
    shape = TellingDraws.shape
    return shape.batch, shape.query_heads, shape.query_length, shape.key_length


def _first(array: np.ndarray) -> np.ndarray:
    return np.broadcast_to(array, _sizes())[0, 0]


def _cells(
    values: np.ndarray, colours: str, low: float, high: float | None, framed: int | None = None, large: bool = False
) -> str:
    rows, columns = values.shape
    figure, axes = _figure(columns, rows, min(LARGEST_CELL, WIDEST / max(rows, columns)) if large else CELL)
    colormap = matplotlib.colormaps[colours].with_extremes(bad="#bdbdbd")
    axes.pcolormesh(np.ma.masked_invalid(values), cmap=colormap, vmin=low, vmax=high, edgecolors="#9e9e9e", linewidth=0.4)
    axes.set(ylim=(rows, 0))
    if framed is not None:
        axes.add_patch(Rectangle((0, framed), columns, 1, fill=False, edgecolor="#d62728", linewidth=2, clip_on=False))
    return _svg(figure)


def _figure(columns: int, rows: int, cell: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(columns * cell, rows * cell))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    return figure, axes


def _svg(figure: Figure) -> str:
    file = StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None}, facecolor="white")
    return file.getvalue()

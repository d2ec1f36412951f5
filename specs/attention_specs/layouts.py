"""Layouts of an array in memory. Each gives an equal array on other strides; `repeated_*` first makes it constant along an
axis, because stride 0 can only hold constants. Gaps are filled with poison: reading them shows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from attention_specs.registry import Registry

LAYOUTS: Registry[Callable[[np.ndarray], np.ndarray]] = Registry("layout")
layout = LAYOUTS.register

INSIDE_K = "inside_k"
"""Layout of v alone: a view of the first columns of k, as latent attention has it (DeepSeek-V2), where k is as wide."""

POISON_BYTE = 0x7F
"""In every byte: 3.4e38 in float32 and bfloat16, NaN in float16, 1.4e306 in float64."""


def _poisoned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    return np.full(int(np.prod(shape)) * dtype.itemsize, POISON_BYTE, np.uint8).view(dtype).reshape(shape)


@layout
def contiguous(array: np.ndarray) -> np.ndarray:
    """Row-major, nothing between."""
    return np.ascontiguousarray(array)


@layout
def heads_last(array: np.ndarray) -> np.ndarray:
    """[batch, length, heads, dim] in memory, as a projection leaves it: a transposed view."""
    return array.swapaxes(-3, -2).copy().swapaxes(-3, -2) if array.ndim > 2 else contiguous(array)


@layout
def dims_first(array: np.ndarray) -> np.ndarray:
    """The last two axes exchanged in memory: innermost stride is not 1."""
    return array.swapaxes(-2, -1).copy().swapaxes(-2, -1) if array.ndim > 1 else contiguous(array)


@layout
def every_second(array: np.ndarray) -> np.ndarray:
    """Every second element of the last axis of a larger array."""
    larger = _poisoned((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    larger[..., ::2] = array
    return larger[..., ::2]


@layout
def inside(array: np.ndarray) -> np.ndarray:
    """A window of a larger array, with poison before, behind and between the rows."""
    larger = _poisoned(tuple(n + 3 for n in array.shape), array.dtype)
    window = larger[tuple(slice(1, n + 1) for n in array.shape)]
    window[...] = array
    return window


@layout
def one_off(array: np.ndarray) -> np.ndarray:
    """Contiguous, but starting one element into its buffer: not aligned to a vector register."""
    larger = _poisoned((array.size + 2,), array.dtype)
    larger[1:-1] = array.ravel()
    return larger[1:-1].reshape(array.shape)


@layout
def backwards(array: np.ndarray) -> np.ndarray:
    """Negative stride along the length. Frameworks without negative strides get a copy."""
    return np.ascontiguousarray(array[..., ::-1, :])[..., ::-1, :] if array.ndim > 1 else contiguous(array)


@layout
def read_only(array: np.ndarray) -> np.ndarray:
    """Contiguous and not writeable."""
    array = np.array(array, order="C")
    array.flags.writeable = False
    return array


@layout
def repeated_batch(array: np.ndarray) -> np.ndarray:
    """The first batch entry for all, by stride 0."""
    return np.broadcast_to(array[:1], array.shape)


@layout
def repeated_heads(array: np.ndarray) -> np.ndarray:
    """The first head for all, by stride 0."""
    return np.broadcast_to(array[:, :1], array.shape) if array.ndim > 1 else contiguous(array)


@layout
def repeated_rows(array: np.ndarray) -> np.ndarray:
    """The first position for all, by stride 0."""
    return np.broadcast_to(array[..., :1, :], array.shape) if array.ndim > 1 else contiguous(array)


@layout
def fewer_axes(array: np.ndarray) -> np.ndarray:
    """Leading axes of size 1 left out, for broadcast arrays: [1, 1, 1, Lk] as [Lk]. One axis stays."""
    axes = next((n for n, size in enumerate(array.shape[:-1]) if size != 1), max(array.ndim - 1, 0))
    return np.ascontiguousarray(array).reshape(array.shape[axes:])

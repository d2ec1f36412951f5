"""Readings of axes: heads, batch entries, layouts, and the axes of masks and biases."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from attention_harness.conformance.diagnosis.readings import reading, register_call
from attention_specs.attention.inputs import Inputs


def key_heads(x: Inputs, keys: np.ndarray, values: np.ndarray) -> Inputs:
    """The call in which query head h reads key head keys[h] and value head values[h]."""
    last = x.k.shape[1] - 1
    return x.replace(k=x.k[:, np.minimum(keys, last)], v=x.v[:, np.minimum(values, last)])


def grouped(x: Inputs) -> bool:
    """Whether several query heads share a key head, and there are several key heads."""
    return x.group > 1 and x.k.shape[1] > 1


@reading()
def key_heads_are_tiled(x: Inputs) -> Inputs | None:
    """Query head h reads key head h % Hkv."""
    h = np.arange(x.q.shape[1])
    return key_heads(x, h % x.k.shape[1], h % x.k.shape[1]) if grouped(x) else None


@reading()
def value_heads_are_tiled(x: Inputs) -> Inputs | None:
    """Query head h reads the values of key head h % Hkv, and the keys of h // group."""
    h = np.arange(x.q.shape[1])
    return key_heads(x, h // x.group, h % x.k.shape[1]) if grouped(x) else None


@reading()
def keys_alone_are_tiled(x: Inputs) -> Inputs | None:
    """Query head h reads the keys of key head h % Hkv, and the values of h // group."""
    h = np.arange(x.q.shape[1])
    return key_heads(x, h % x.k.shape[1], h // x.group) if grouped(x) else None


@reading()
def all_heads_read_the_first(x: Inputs) -> Inputs | None:
    """All query heads read key head 0."""
    zeros = np.zeros(x.q.shape[1], int)
    return key_heads(x, zeros, zeros) if x.k.shape[1] > 1 else None


@reading()
def groups_are_powers_of_two(x: Inputs) -> Inputs | None:
    """Groups of query heads are rounded down to a power of two."""
    if not grouped(x):
        return None
    h = np.arange(x.q.shape[1]) // (1 << (x.group.bit_length() - 1))
    return key_heads(x, h, h)


@reading()
def the_first_entry_serves_all(x: Inputs) -> Inputs | None:
    """All batch entries read the keys and values of entry 0."""
    entries = np.zeros(x.q.shape[0], int)
    return x.replace(k=x.k[entries], v=x.v[entries]) if x.q.shape[0] > 1 else None


def _as_blhd(a: np.ndarray) -> np.ndarray:
    """[B, H, L, D] read as memory that lies as [B, L, H, D]."""
    b, h, n, d = a.shape
    return np.ascontiguousarray(a).reshape(b, n, h, d).swapaxes(1, 2)


def _many(x: Inputs) -> bool:
    return x.k.shape[1] > 1 and x.k.shape[2] > 1


@reading()
def values_lie_as_blhd(x: Inputs) -> Inputs | None:
    """The memory of v is read as [B, L, H, D]."""
    return x.replace(v=_as_blhd(x.v)) if _many(x) else None


@reading()
def keys_lie_as_blhd(x: Inputs) -> Inputs | None:
    """The memory of k is read as [B, L, H, D]."""
    return x.replace(k=_as_blhd(x.k)) if _many(x) else None


@reading()
def queries_lie_as_blhd(x: Inputs) -> Inputs | None:
    """The memory of q is read as [B, L, H, D]."""
    return x.replace(q=_as_blhd(x.q)) if x.q.shape[1] > 1 and x.q.shape[2] > 1 else None


@reading()
def all_lie_as_blhd(x: Inputs) -> Inputs | None:
    """The memory of q, k and v is read as [B, L, H, D], and the output is not turned back."""
    return x.replace(q=_as_blhd(x.q), k=_as_blhd(x.k), v=_as_blhd(x.v)) if _many(x) else None


@reading()
def square_keys_are_not_transposed(x: Inputs) -> Inputs | None:
    """Queries are multiplied with k instead of its transpose."""
    return x.replace(k=x.k.swapaxes(2, 3)) if x.k.shape[2] == x.k.shape[3] > 1 else None


@reading()
def keys_and_values_are_exchanged(x: Inputs) -> Inputs | None:
    """k and v are exchanged."""
    return x.replace(k=x.v, v=x.k) if x.k.shape == x.v.shape else None


@reading()
def batch_and_heads_of_values_are_exchanged(x: Inputs) -> Inputs | None:
    """Values of batch entry b and head h are read at entry h and head b."""
    return x.replace(v=x.v.swapaxes(0, 1)) if x.v.shape[0] == x.v.shape[1] > 1 else None


def _by_key_head(a: np.ndarray, x: Inputs) -> np.ndarray:
    return a[:, np.arange(x.q.shape[1]) // max(x.group, 1)]


def _exchanged(a: np.ndarray, x: Inputs) -> np.ndarray:
    b, h, *rest = a.shape
    return a.reshape(h, b, *rest).swapaxes(0, 1)


def _turned(a: np.ndarray, x: Inputs) -> np.ndarray:
    return a.swapaxes(2, 3) if x.q.shape[2] == x.k.shape[2] else a


AXES: dict[str, Callable[[np.ndarray, Inputs], np.ndarray]] = {
    "the {0} of batch entry 0 serves all": lambda a, x: a[:1],
    "the {0} of head 0 serves all": lambda a, x: a[:, :1],
    "the first row of the {0} serves all queries": lambda a, x: a[:, :, :1],
    "rows and columns of the {0} are exchanged": _turned,
    "query head h has the {0} of key head h // group": _by_key_head,
    "query head h has the {0} of head h - 1": lambda a, x: np.roll(a, 1, 1),
    "batch and head of the {0} are exchanged": _exchanged,
}
"""Wrong axes of a mask or a bias at its full shape [B, Hq, Lq, Lk]."""


def _with_axes(name: str, axes: str, x: Inputs) -> Inputs | None:
    array = getattr(x, name)
    if array is None or 0 in x.score_shape:
        return None
    full = np.broadcast_to(array, x.score_shape)
    changed = np.broadcast_to(AXES[axes](full, x), x.score_shape)
    return None if np.array_equal(changed, full) else x.replace(**{name: changed})


for _name in ("mask", "bias"):
    for _axes in AXES:
        register_call(_axes.format(_name), partial(_with_axes, _name, _axes))

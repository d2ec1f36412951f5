"""Steps of the right answer in float64, the format of all bounds: kept on the answer, since its bounds under all models share them."""

from __future__ import annotations

import numpy as np

from attention_specs.attention.oracle import Reference
from attention_specs.remembered import remembered


@remembered
def seen(exact: Reference) -> np.ndarray:
    """Bool [B, Hq, Lq, Lk]: the keys that each query sees."""
    return ~np.isneginf(exact.scores)


@remembered
def numbers_of_keys(exact: Reference) -> np.ndarray:
    """[B, Hq, Lq]: how many keys each query sees."""
    keys: np.ndarray = seen(exact).sum(-1)
    return keys


@remembered
def log_weights(exact: Reference) -> np.ndarray:
    """[B, Hq, Lq, Lk], in float64; -inf where masked."""
    return in_float64(exact.scores - finite(exact.lse)[..., None])


@remembered
def sums_of_values(exact: Reference) -> np.ndarray:
    """[B, Hq, Lq, Dv]: the sum of the sizes of the values that each query sees."""
    sums: np.ndarray = seen(exact).astype(np.float64) @ np.abs(in_float64(exact.values))
    return sums


@remembered
def farthest_values(exact: Reference) -> np.ndarray:
    """[B, Hq, Lq, Dv]: the distance from the output to the farthest value that any query sees."""
    v, o, visible = in_float64(exact.values), in_float64(exact.out), np.any(seen(exact), -2)[..., None]
    top = np.where(visible, v, -np.inf).max(2, keepdims=True, initial=-np.inf)
    bottom = np.where(visible, v, np.inf).min(2, keepdims=True, initial=np.inf)
    return np.maximum(top - o, o - bottom)


def in_float64(a: np.ndarray) -> np.ndarray:
    """The array in float64, the format of all bounds."""
    return a.astype(np.float64, copy=False)


def finite(a: np.ndarray) -> np.ndarray:
    """The array in float64, with 0 for -inf: a masked score has no size."""
    return in_float64(np.where(np.isneginf(a), 0, a))

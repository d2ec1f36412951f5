"""The steps that leave the range of an implementation's declared formats; no property applies there.

Derived in `precision.md`, section 10.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from attention_specs.attention.bounds import DIVISION, magnitudes, product_errors, score_sizes
from attention_specs.attention.inputs import Inputs
from attention_specs.attention.oracle import default_scale
from attention_specs.attention.reference_steps import finite, in_float64
from attention_specs.formats import accumulator, largest
from attention_specs.precision import SCALED, WEIGHT_SCALE, Precision, Units, tiles

Step = tuple[str, np.ndarray, str]
"""Its description, its largest size, and its format."""


def beyond(x: Inputs, p: Precision) -> str:
    """The first step of a call that may leave the range of its format, in words; nothing if none does."""
    given = (x.q, x.k, x.v, *(a for a in (x.bias, x.sinks) if a is not None))
    return first(data(given, p), steps(x, p))


def first(*groups: Iterable[Step]) -> str:
    """The first step that may leave the range of its format, in words; nothing if none does."""
    with np.errstate(all="ignore"):
        steps_beyond = (what for group in groups for what, size, name in group if bool((size > largest(name)).any()))
        return next(steps_beyond, "")


def narrow(name: str, p: Precision) -> bool:
    """Whether some numbers that the dtype's usual accumulator holds are beyond this format."""
    return largest(name) < largest(accumulator(p.output))


def data(arrays: Iterable[np.ndarray], p: Precision) -> Iterator[Step]:
    """The inputs, where sums are kept in a smaller format than theirs."""
    if largest(p.sums) < largest(p.output):
        yield from ((f"a number of the {p.output} inputs", np.where(np.isfinite(a), np.abs(a), 0), p.sums) for a in arrays)


def steps(x: Inputs, p: Precision) -> Iterator[Step]:
    """The steps of one call. Hidden keys count: they are multiplied too, and infinity and -infinity make NaN."""
    u, unscaled = Units.from_precision(p), x.replace(scale=1.0)
    if p.weights.endswith(SCALED):
        yield "a sum of weights times 2^8", WEIGHT_SCALE * _sums_over_keys(x, u), p.sums
    if narrow(p.products, p):
        sizes = score_sizes(unscaled) if narrow(p.sums, p) else _products(x)
        yield "a product of a query and a key", sizes + product_errors(unscaled, u), p.products
    if narrow(p.sums, p):
        (q, k), scale = magnitudes(x), abs(float(default_scale(x)))
        yield "a scaled query", q * np.exp(3 * u.a) * scale, p.sums
        yield "a scaled key", k * np.exp(3 * u.a) * np.sqrt(scale), p.sums
        bias = 0 if x.bias is None else np.abs(finite(x.bias))
        yield "a score", (score_sizes(x) + product_errors(x, u) + bias) * np.exp(2 * u.a), p.sums
        yield "a sum over keys", _sums_over_keys(x, u), p.sums


def _products(x: Inputs) -> np.ndarray:
    """|q . k|, a key that is not finite left out."""
    k = np.where(np.isfinite(x.k), in_float64(x.k), 0)
    return np.abs(in_float64(x.q) @ np.repeat(k, x.group, axis=1).swapaxes(-1, -2))


def _sums_over_keys(x: Inputs, u: Units) -> np.ndarray:
    """The largest sums of values, and of powers of at most 1 with a sink's power: [B, Hq, Lq, Dv]."""
    seen = x.visible().astype(np.float64)
    values = np.repeat(np.abs(in_float64(x.v)), x.group, axis=1)
    largest_sum = np.maximum(seen @ np.where(np.isfinite(values), values, 0), seen.sum(-1, keepdims=True) + 1)
    return largest_sum * np.exp(growth(x.k.shape[2], u))


def growth(keys: int, u: Units) -> float:
    """The exponent by which roundings may enlarge a sum over keys."""
    return float(u.sums(keys + 2 * tiles(keys)) + DIVISION * u.a)

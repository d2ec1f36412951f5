"""What leaves the range of the formats in which an implementation says that it computes; nothing is claimed there.

Derived in `precision.md`, section 10.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from attention_specs.attention.bounds import DIVISION, finite, in_float64, magnitudes, product_errors, score_sizes
from attention_specs.attention.inputs import Inputs
from attention_specs.attention.oracle import default_scale
from attention_specs.formats import accumulator, largest
from attention_specs.multi_head.bounds import projection_error, projection_sizes
from attention_specs.multi_head.inputs import ARRAYS, LayerInputs
from attention_specs.multi_head.oracle import head_scale, join, split
from attention_specs.precision import Precision, Units, tiles

Step = tuple[str, np.ndarray, str]
"""What it is, how large it may become, and the format that must hold it."""


def beyond(x: Inputs, p: Precision) -> str:
    """The first step of a call that may leave the range of its format, in words; nothing if none does."""
    given = (x.q, x.k, x.v, *(a for a in (x.bias, x.sinks) if a is not None))
    return _first(_data(given, p), _steps(x, p))


def beyond_layer(x: LayerInputs, p: Precision) -> str:
    """The same for a layer."""
    return _first(_data([getattr(x, name) for name in ARRAYS], p), _steps_of_a_layer(x, p))


def _first(*steps: Iterable[Step]) -> str:
    with np.errstate(all="ignore"):
        found = (what for some in steps for what, size, name in some if bool((size > largest(name)).any()))
        return next(found, "")


def _narrow(name: str, p: Precision) -> bool:
    """Whether some numbers that the dtype's usual accumulator holds are beyond this format."""
    return largest(name) < largest(accumulator(p.output))


def _data(arrays: Iterable[np.ndarray], p: Precision) -> Iterator[Step]:
    if largest(p.sums) < largest(p.output):
        yield from ((f"a number of the {p.output} inputs", np.where(np.isfinite(a), np.abs(a), 0), p.sums) for a in arrays)


def _steps(x: Inputs, p: Precision) -> Iterator[Step]:
    """Hidden keys count: what stands there is multiplied, and infinity and -infinity make NaN."""
    u, unscaled = Units.of(p), x.replace(scale=1.0)
    if _narrow(p.products, p):
        sizes = score_sizes(unscaled) if _narrow(p.sums, p) else _products(x)
        yield "a product of a query and a key", sizes + product_errors(unscaled, u), p.products
    if _narrow(p.sums, p):
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
    """Of values and of powers, none of which is above 1, and a sink's power: [B, Hq, Lq, Dv]."""
    seen = x.visible().astype(np.float64)
    values = np.repeat(np.abs(in_float64(x.v)), x.group, axis=1)
    largest_sum = np.maximum(seen @ np.where(np.isfinite(values), values, 0), seen.sum(-1, keepdims=True) + 1)
    return largest_sum * np.exp(_growth(x.k.shape[2], u))


def _growth(keys: int, u: Units) -> float:
    """The exponent by which roundings may enlarge a sum over keys."""
    return float(u.sums(keys + 2 * tiles(keys)) + DIVISION * u.a)


def _steps_of_a_layer(x: LayerInputs, p: Precision) -> Iterator[Step]:
    """Its projections, then attention on what these may be at most."""
    if not (_narrow(p.products, p) or _narrow(p.sums, p)):
        return
    u = Units.of(p)
    sent = ((x.query, x.w_q, x.b_q), (x.key, x.w_k, x.b_k), (x.value, x.w_v, x.b_v))
    q, k, v = (split(projection_sizes(*one) + projection_error(*one, u), x.heads) for one in sent)
    if _narrow(p.sums, p):
        yield from (("a projection", a, p.sums) for a in (q, k, v))
        grown = np.exp(u.sums(x.w_o.shape[0] + 1) + 2 * _growth(v.shape[2], u))
        leaving = projection_sizes(join(v.max(2, keepdims=True, initial=0)), x.w_o, x.b_o)
        yield "the output projection", leaving * grown, p.sums
    yield from _steps(Inputs(q, k, v, mask=x.visible(), scale=head_scale(x)), p)

"""How large an error may be: an elementwise bound from the data and the precision that an implementation claims.

First-order forward analysis in the manner of Higham and Mary (2019) and Blanchard, Higham and Higham (2021). For an
output o = sum_j w_j v_j, a score error of at most d_j changes o by at most
    sum_j w_j (exp(d_j) - 1) |v_j - o| / sum_j w_j exp(-d_j)
(an error common to the row cancels: with constant values this part is exactly zero), and the roundings of exp, sum,
division and second product add a multiple of sum_j w_j |v_j|.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from specs.dtypes import accumulator
from specs.inputs import Inputs
from specs.oracle import Reference, default_scale

ROUNDOFF = {
    "float64": 2.0**-53,
    "float32": 2.0**-24,
    "float32-truncating": 2.0**-23,
    "tf32": 2.0**-11,
    "bfloat16": 2.0**-8,
    "float16": 2.0**-11,
}
UNDERFLOW = {"float64": 2.0**-1022, "float16": 2.0**-24}
"""Largest absolute error where numbers become too small. Formats with eight exponent bits: 2^-126, since subnormals may be flushed."""


@dataclass(frozen=True)
class Precision:
    """The formats in which an implementation rounds; each a key of ROUNDOFF."""

    inputs: str
    scores: str
    weights: str
    accumulation: str
    output: str


def named_precision(name: str, dtype: str) -> Precision:
    """The model of that name for a dtype; ValueError for a name that is none of MODELS."""
    if name not in MODELS:
        raise ValueError(f"precision={name}, but should be one of {', '.join(MODELS)}")
    inside = "float32" if name == "computed-in-float32" else accumulator(dtype)
    rounded = {"weights-rounded": ("weights",), "scores-rounded": ("scores", "weights")}.get(name, ())
    formats = dict.fromkeys(("inputs", "scores", "weights", "accumulation"), inside) | dict.fromkeys(rounded, dtype)
    return Precision(**formats | ({"inputs": "tf32"} if name == "tf32-inputs" else {}), output=dtype)


MODELS = ("exact", "weights-rounded", "scores-rounded", "tf32-inputs", "computed-in-float32")
"""From the tightest on: everything in the accumulator; stored weights in the dtype; stored scores too; inputs cut to TF32."""


def default_model(dtype: str) -> str:
    """What an implementation that declares nothing is held to."""
    return "exact" if dtype in ("float32", "float64") else "scores-rounded"


def growth(n: int) -> float:
    """Roundoffs in a sum of n products: all n up to 256, then 16 sqrt(n) (Higham and Mary 2019, with lambda = 16).

    lambda = 4 would do for independent errors. Equal keys make errors equal: a running sum over 2049 of them, rescaled at
    each, was seen 1.6 times above 4 sqrt(n).
    """
    return min(n, 16 * np.sqrt(n))


def underflow(name: str) -> float:
    """What is lost at most when a number becomes too small for its format."""
    return UNDERFLOW.get(name, 2.0**-126)


@dataclass(frozen=True, eq=False)
class Bounds:
    """Largest allowed |error| of each element of the output, the weights and the log-sum-exp."""

    out: np.ndarray
    weights: np.ndarray
    lse: np.ndarray


@dataclass(frozen=True, eq=False)
class Inherited:
    """Errors that queries, keys and values already have when attention gets them, as behind the projections of a layer."""

    scores: np.ndarray
    """[B, Hq, Lq, Lk], what the errors of queries and keys do to each score."""
    values: np.ndarray
    """[B, Hq, Lk, Dv], of values repeated over the group."""


@dataclass(frozen=True, eq=False)
class _Disturbance:
    """Score errors, and what they can do to a row: its sum changes by a factor between `low` and `high`."""

    scores: np.ndarray
    sinks: np.ndarray
    low: np.ndarray
    high: np.ndarray


def bounds(x: Inputs, exact: Reference, precision: Precision, inherited: Inherited | None = None) -> Bounds:
    """The bounds for one call of an implementation that rounds as `precision` says."""
    with np.errstate(over="ignore", invalid="ignore"):
        moved = _disturbance(x, exact, precision, inherited)
        out = _output(exact, precision, moved)
        if inherited is not None:
            out += _heaviest(exact, precision, moved) @ inherited.values
        return Bounds(out, _weights(exact, precision, moved), _lse(exact, precision, moved))


def _disturbance(x: Inputs, exact: Reference, precision: Precision, inherited: Inherited | None) -> _Disturbance:
    scores, sinks = _score_errors(x, exact, precision), _sink_errors(x, exact, precision)
    if inherited is not None:
        scores = np.where(np.isneginf(exact.scores), 0, scores + inherited.scores)
    return _Disturbance(scores, sinks, *_normaliser(exact, scores, sinks))


def _heaviest(exact: Reference, precision: Precision, moved: _Disturbance) -> np.ndarray:
    """The largest weights that these errors allow: what an error of a value is multiplied by."""
    grown = np.minimum(_moved_weights(exact, moved.scores) / moved.low[..., None], 1)
    return grown * (1 + _relative(exact, precision))


def _score_errors(x: Inputs, exact: Reference, precision: Precision) -> np.ndarray:
    """Largest error of each visible score; 0 where masked."""
    accumulated, stored, read = (ROUNDOFF[f] for f in (precision.accumulation, precision.scores, precision.inputs))
    size = score_sizes(x)
    error = (growth(x.q.shape[-1]) * accumulated + 3 * stored + (2 * read if read > accumulated else 0)) * size
    if x.softcap is not None:
        error = _through_softcap(error, exact.scaled.astype(np.float64), x.softcap) + 4 * accumulated * x.softcap
    scores = np.where(np.isneginf(exact.scores), 0, exact.scores).astype(np.float64)
    bias = 0 if x.bias is None else np.where(np.isneginf(x.bias), 0, np.abs(x.bias.astype(np.float64)))
    error = error + stored * (2 * np.abs(scores) + 2 * np.abs(scores - _top(x, exact)) + bias)
    return np.where(np.isneginf(exact.scores), 0, error)


def score_sizes(x: Inputs) -> np.ndarray:
    """|scale| * (|q| . |k|), which a sum of products cannot exceed on the way."""
    q, k = (np.abs(a.astype(np.float64)) for a in (x.q, x.k))
    return abs(float(default_scale(x))) * (q @ np.repeat(np.where(np.isfinite(k), k, 0), x.group, axis=1).swapaxes(-1, -2))


def _through_softcap(error: np.ndarray, scaled: np.ndarray, cap: float) -> np.ndarray:
    """cap * tanh(s / cap) has slope 1 / cosh^2, largest at the end of the interval that is nearest to 0."""
    nearest = np.maximum(np.abs(scaled) - error, 0) / cap
    return error / np.cosh(np.minimum(nearest, 300)) ** 2


def _top(x: Inputs, exact: Reference) -> np.ndarray:
    top = exact.scores.max(-1, initial=-np.inf)
    top = top if x.sinks is None else np.maximum(top, x.sinks.astype(np.float64)[:, None])
    return np.where(np.isneginf(top), 0, top)[..., None].astype(np.float64)


def _sink_errors(x: Inputs, exact: Reference, precision: Precision) -> np.ndarray:
    if x.sinks is None:
        return np.zeros(1)
    sink = x.sinks.astype(np.float64)[:, None]
    return ROUNDOFF[precision.scores] * (2 * np.abs(sink) + 2 * np.abs(sink - _top(x, exact)[..., 0]))


def _normaliser(exact: Reference, errors: np.ndarray, sink_errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest factor by which the score errors can change the sum of a row; 1 for empty rows."""
    sink = exact.sink_weights.astype(np.float64)
    low, high = (
        _moved_weights(exact, sign * errors).sum(-1) + sink * np.exp(np.minimum(sign * sink_errors, LOG_MOST)) for sign in (-1, 1)
    )
    nothing = exact.empty & (sink == 0)
    return np.where(nothing, 1, np.maximum(low, LEAST)), np.where(nothing, 1, np.minimum(high, 1 / LEAST))


LEAST, LOG_MOST = 1e-300, 690.0
"""Stands in for 0 and, inverted, for infinity, so that 0 times infinity, which is nothing in these sums, stays nothing."""


def _moved_weights(exact: Reference, errors: np.ndarray) -> np.ndarray:
    """The weights with each score off by `errors`, before they are normalised again; from the logarithm, which does not underflow."""
    lse = np.where(np.isneginf(exact.lse), 0, exact.lse)[..., None]
    logarithm = (exact.scores - lse).astype(np.float64)
    return np.minimum(np.exp(np.minimum(logarithm + errors, LOG_MOST)), 1 / LEAST)


def _relative(exact: Reference, precision: Precision) -> float:
    """Roundoffs that hit each weight or the sums over keys: exp, sum, division, second product."""
    accumulated, stored, weight, read = (
        ROUNDOFF[f] for f in (precision.accumulation, precision.scores, precision.weights, precision.inputs)
    )
    return (2 * growth(exact.weights.shape[-1]) + 4) * accumulated + 6 * stored + 2 * weight + (read if read > accumulated else 0)


def _output(exact: Reference, precision: Precision, moved: _Disturbance) -> np.ndarray:
    w, v, o = (a.astype(np.float64) for a in (exact.weights, exact.values, exact.out))
    small = moved.scores < 1
    grown = np.where(small, w * np.expm1(np.where(small, moved.scores, 0)), _moved_weights(exact, moved.scores) - w)
    shares = np.minimum(grown / moved.low[..., None], 1 / LEAST)
    sink = exact.sink_weights.astype(np.float64) * np.expm1(np.minimum(moved.sinks, LOG_MOST)) / moved.low
    seen = np.isfinite(exact.scores).astype(np.float64)
    tiny = max(underflow(precision.weights), underflow(precision.accumulation))
    return (
        spread(shares, v, o)
        + sink[..., None] * np.abs(o)
        + _relative(exact, precision) * (w @ np.abs(v))
        + ROUNDOFF[precision.output] * np.abs(o)
        + tiny * (seen @ np.abs(v))
        + (w.shape[-1] + 1) * underflow(precision.accumulation)
        + underflow(precision.output)
    )


def spread(moved: np.ndarray, v: np.ndarray, o: np.ndarray, cells: int = 1 << 20) -> np.ndarray:
    """sum_j moved[i, j] |v[j, c] - o[i, c]|, a few rows at a time so that memory stays small."""
    result = np.empty_like(o)
    rows = max(1, cells // max(1, v.shape[-2] * v.shape[-1]))
    for b, h in np.ndindex(o.shape[:2]):
        for start in range(0, o.shape[2], rows):
            part = slice(start, start + rows)
            distance = np.abs(v[b, h, None] - o[b, h, part, None])
            result[b, h, part] = (moved[b, h, part, None] @ distance)[:, 0]
    return result


def _weights(exact: Reference, precision: Precision, moved: _Disturbance) -> np.ndarray:
    w = exact.weights.astype(np.float64)
    grown = np.exp(np.minimum(moved.scores, LOG_MOST)) / moved.low[..., None] - 1
    shrunk = 1 - np.exp(-moved.scores) / moved.high[..., None]
    relative = np.maximum(grown, shrunk) + _relative(exact, precision) + ROUNDOFF[precision.output]
    return np.where(np.isneginf(exact.scores), 0, w * relative + underflow(precision.weights) + underflow(precision.output))


def _lse(exact: Reference, precision: Precision, moved: _Disturbance) -> np.ndarray:
    lse = np.where(np.isneginf(exact.lse), 0, np.abs(exact.lse)).astype(np.float64)
    change = np.maximum(np.log(moved.high), -np.log(moved.low))
    return change + _relative(exact, precision) + (4 * ROUNDOFF[precision.scores] + ROUNDOFF[precision.output]) * lse

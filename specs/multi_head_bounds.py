"""How large an error of the layer may be: the bound of attention, with the errors of four projections carried through.

Write u for the roundoff of the accumulator, s for that of stored intermediates (the dtype where the precision model
stores weights in it, else u), g(n) for the growth of a sum of n products, |a||w| for the product of absolute values.

1. A projection x @ w + b is a sum of d + 1 terms, stored once before the bias is added and once after, so
       |dq| <= (g(d+1) u + 2 s) (|x||w| + |b|),  and likewise dk, dv.
2. A score scale * q.k of inexact q and k is wrong by |scale| (dq.|k| + |q|.dk + dq.dk) before attention itself errs; what
   attention adds is the bound of `precision.bounds` for operands of size |q| + dq and |k| + dk, and its share of |score|
   grows with the inherited error, of which it counts the score twice and the distance to the maximum (two errors) twice.
3. Values: sum_j w'_j v'_j - sum_j w_j v_j = sum_j (w'_j - w_j) (v_j - o) + sum_j w'_j dv_j, since weights sum to one. The first
   sum is attention's own; in the second, w'_j is at most the largest weight that the score errors allow.
4. The heads' output o is stored in s, so |do| is the bound of attention with s as its output format.
5. The output projection is a projection of an inexact o:
       |dout| <= do|w_o| (1 + s + u_out) + g(d+1) u ((|o| + do)|w_o| + |b_o|) + s |o w_o| + u_out |out|.
Operands read in a coarser format (TF32) add 2 u_read to each g u. Each sum may also underflow.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from specs.inputs import Inputs
from specs.multi_head_inputs import LayerInputs
from specs.multi_head_oracle import LayerReference, head_scale, join, split
from specs.precision import ROUNDOFF, Bounds, Inherited, Precision, growth, underflow
from specs.precision import bounds as attention_bounds


def bounds(x: LayerInputs, exact: LayerReference, precision: Precision, uniform: bool = False) -> Bounds:
    """Bounds of the output [B, Lq, d], and of each head's weights and log-sum-exp; `uniform`: empty rows give the mean value."""
    with np.errstate(over="ignore", invalid="ignore"):
        dq, dk, dv = (
            split(_projection_error(a, w, b, precision), x.heads)
            for a, w, b in ((x.query, x.w_q, x.b_q), (x.key, x.w_k, x.b_k), (x.value, x.w_v, x.b_v))
        )
        inner = _attention_bounds(exact, precision, dq, dk, dv, head_scale(x))
        moved = np.where(exact.attention.empty[..., None], _mean_error(x, dv, precision), inner.out) if uniform else inner.out
        return Bounds(_leaving(x, exact, precision, join(moved)), _returned(inner.weights, exact, precision), inner.lse)


def _sizes(a: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    """|a||w| + |b|, which a projection cannot exceed on the way."""
    a, w, b = (np.abs(array.astype(np.float64)) for array in (a, w, b))
    sizes: np.ndarray = a @ w + b
    return sizes


def _summing(terms: int, precision: Precision) -> float:
    read, accumulated = ROUNDOFF[precision.inputs], ROUNDOFF[precision.accumulation]
    return growth(terms) * accumulated + (2 * read if read > accumulated else 0)


def _projection_error(a: np.ndarray, w: np.ndarray, b: np.ndarray, precision: Precision) -> np.ndarray:
    """Step 1, [B, L, d]."""
    terms = w.shape[0] + 1
    lost = terms * underflow(precision.accumulation) + 2 * underflow(precision.weights)
    error: np.ndarray = (_summing(terms, precision) + 2 * ROUNDOFF[precision.weights]) * _sizes(a, w, b) + lost
    return error


def _attention_bounds(
    exact: LayerReference, precision: Precision, dq: np.ndarray, dk: np.ndarray, dv: np.ndarray, scale: float
) -> Bounds:
    """Steps 2 to 4, for each head."""
    q, k = (np.abs(a.astype(np.float64)) for a in (exact.q, exact.k))
    inherited = scale * (dq @ k.swapaxes(-1, -2) + (q + dq) @ dk.swapaxes(-1, -2))
    counted = 1 + 6 * ROUNDOFF[precision.scores]
    inner = Inputs(q + dq, k + dk, exact.attention.values.astype(np.float64))
    stored = replace(precision, output=precision.weights)
    return attention_bounds(inner, exact.attention, stored, Inherited(counted * inherited, dv))


def _mean_error(x: LayerInputs, dv: np.ndarray, precision: Precision) -> np.ndarray:
    """Error of the plain mean of the values, [B, heads, 1, d/heads]: n equal weights, a sum, a rounding."""
    keys = max(dv.shape[2], 1)
    sizes = split(_sizes(x.value, x.w_v, x.b_v), x.heads)
    relative = _summing(keys, precision) + 4 * ROUNDOFF[precision.accumulation] + 4 * ROUNDOFF[precision.weights]
    error: np.ndarray = (dv + relative * (sizes + dv)).sum(2, keepdims=True) / keys + keys * underflow(precision.weights)
    return error


def _leaving(x: LayerInputs, exact: LayerReference, precision: Precision, moved: np.ndarray) -> np.ndarray:
    """Step 5."""
    stored, rounded = ROUNDOFF[precision.weights], ROUNDOFF[precision.output]
    w, terms = np.abs(x.w_o.astype(np.float64)), x.w_o.shape[0] + 1
    out, bias = exact.out.astype(np.float64), x.b_o.astype(np.float64)
    heads_out = join(exact.attention.out)
    lost = terms * underflow(precision.accumulation) + underflow(precision.weights) + underflow(precision.output)
    error: np.ndarray = (
        moved @ w * (1 + stored + rounded)
        + _summing(terms, precision) * (_sizes(heads_out, x.w_o, x.b_o) + moved @ w)
        + stored * np.abs(out - bias)
        + rounded * np.abs(out)
        + lost
    )
    return error


def _returned(weights: np.ndarray, exact: LayerReference, precision: Precision) -> np.ndarray:
    """Weights that are returned are rounded to the output's dtype."""
    w = exact.attention.weights.astype(np.float64)
    return np.where(w > 0, weights + ROUNDOFF[precision.output] * w + underflow(precision.output), 0)

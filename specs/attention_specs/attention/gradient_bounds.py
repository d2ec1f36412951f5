"""The largest error of a gradient: derived in `precision.md`, section 8, in the names used here.

e_w  = w (exp(d + ...) - 1)                 weights of the backward pass, kept or recomputed from a stored log-sum-exp
e_dP = products of dO and V                 e_D from e_out and e_dP
e_dS = e_w |dP - D| + w+ (e_dP + e_D), and three roundings; through the softcap: e_dA
e_dQ, e_dK, e_dV, e_dbias, e_dsinks         products and sums of these
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from attention_specs.attention.bounds import (
    DIVISION,
    LOG,
    MOST,
    SCALING,
    TANH,
    AttentionBounds,
    product_errors,
)
from attention_specs.attention.gradients import Gradients, over_group, seen_keys, softcap_slopes, summed_to
from attention_specs.attention.inputs import Inputs
from attention_specs.attention.oracle import default_scale
from attention_specs.attention.reference_steps import finite, in_float64
from attention_specs.formats import largest
from attention_specs.precision import Precision, Units
from attention_specs.stopwatch import timed


@dataclass(frozen=True, eq=False)
class _Errors:
    """Bounds of the steps: weights, D and dS; the largest weights; and the bound of a log-sum-exp that is kept."""

    weights: np.ndarray
    heaviest: np.ndarray
    means: np.ndarray
    scores: np.ndarray
    kept_lse: np.ndarray


@timed("bounds")
def gradient_bounds(x: Inputs, g: Gradients, precision: Precision) -> dict[str, np.ndarray]:
    """The largest allowed |error| of each gradient that there is, by the name of its argument."""
    u = Units.from_precision(precision)
    with np.errstate(all="ignore"):
        answer = AttentionBounds(x, g.exact, replace(u, o=0.0, tiny_out=0.0))
        e = _steps(g, answer, u)
        bounds = {**_of_queries_and_keys(x, g, e.scores, u), "v": _of_values(x, g, e, u)}
        if x.bias is not None:
            bounds["bias"] = _of_bias(x, g, e, u)
        if x.sinks is not None:
            bounds["sinks"] = _of_sinks(x, g, e, answer, u)
        return {name: np.where(np.isnan(bound), np.inf, bound) for name, bound in bounds.items()}


def _steps(g: Gradients, answer: AttentionBounds, u: Units) -> _Errors:
    """From the weights to dS; 0 where masked."""
    w, out, dout, values = (np.abs(in_float64(a)) for a in (g.exact.weights, g.exact.out, g.dout, g.exact.values))
    products, means, sums = np.abs(in_float64(g.products)), np.abs(in_float64(g.means)), u.sums(dout.shape[-1])
    kept_lse = np.expm1((LOG + 4) * u.a) * np.log(answer.keys + 1) + np.expm1(4 * u.a) * np.abs(finite(g.exact.lse))
    moved = _moved(w, answer.weights, kept_lse, u)
    e_products = np.expm1(sums + u.operand + max(u.operand, u.read)) * (dout @ values.swapaxes(-1, -2)) + (u.s + u.w) * products
    e_products = e_products + u.tiny + dout.shape[-1] * u.tiny_sums
    e_out = answer.out * np.exp(u.o) + np.expm1(u.o) * out + u.tiny_out
    e_means = (dout * (e_out + np.expm1(sums) * (out + e_out))).sum(-1) + ((w + moved) * e_products).sum(-1)
    e_means = e_means + np.expm1(2 * (u.a + u.s)) * means + u.tiny + (dout.shape[-1] + w.shape[-1]) * u.tiny_sums
    distance = np.abs(in_float64(g.products - g.means[..., None]))
    e_scores = moved * distance + (w + moved) * (e_products + e_means[..., None])
    e_scores = e_scores + np.expm1(2 * (u.a + u.w) + u.s) * (np.abs(in_float64(g.scores)) + e_scores) + 2 * u.tiny
    return _Errors(moved, w + moved, e_means, np.where(answer.seen, e_scores, 0), kept_lse)


def _moved(w: np.ndarray, forward: np.ndarray, kept_lse: np.ndarray, u: Units) -> np.ndarray:
    """The largest error of a weight in the backward pass. A kernel that stores scores keeps weights, or meets the same scores again."""
    factor = np.exp(np.minimum(kept_lse, MOST))[..., None]
    moved = forward * factor + w * np.expm1(np.minimum(kept_lse, MOST))[..., None]
    return np.minimum(moved, factor) if u.s else moved


def _through_the_cap(x: Inputs, g: Gradients, e_scores: np.ndarray, u: Units) -> np.ndarray:
    """The bound of dA; the slope of the cap is taken at the end of the score's interval that is nearest to 0."""
    if x.softcap is None:
        return e_scores
    scaled, cap, e = np.abs(in_float64(g.exact.scaled)), x.softcap, product_errors(x, u)
    tanh = np.tanh(scaled / cap)
    e_tanh = softcap_slopes(np.maximum(scaled - e, 0), cap) * e / cap + np.expm1((DIVISION + TANH) * u.a + 2 * u.s) * tanh
    slope, e_slope = in_float64(g.slopes), np.minimum(2 * (tanh + e_tanh) * e_tanh + np.expm1(3 * u.a + 2 * u.s), 1)
    chain, size = np.expm1((DIVISION + 2) * u.a + 3 * u.s), np.abs(in_float64(g.scores)) + e_scores
    through = e_scores * slope + size * e_slope + chain * size * (slope + e_slope) + 3 * u.tiny
    return np.where(np.isneginf(g.exact.scores), 0, through)


def _of_queries_and_keys(x: Inputs, g: Gradients, e_scores: np.ndarray, u: Units) -> dict[str, np.ndarray]:
    """dQ = scale dA K and dK = scale dA^T Q, products of dA with operands as read, or as scaled and stored before."""
    scale, size = abs(float(default_scale(x))), np.abs(in_float64(g.scores * g.slopes))
    lost = max(1.0, scale) * u.tiny_sums
    e = _through_the_cap(x, g, e_scores, u)
    q, k = np.abs(in_float64(x.q)), np.abs(in_float64(seen_keys(x)))
    seen = (~np.isneginf(g.exact.scores)) * (u.tiny * max(1, scale))
    by_keys, by_queries = (_product(size, e, u, n) for n in (k.shape[2], q.shape[2]))
    e_q = (scale * by_keys + seen) @ k
    e_q = e_q + np.expm1(3 * u.o) * (np.abs(in_float64(g.dq)) + e_q) + (scale + 1) * u.tiny_out + k.shape[2] * lost
    each = (scale * by_queries + seen).swapaxes(-1, -2) @ q + scale * u.tiny_out * (size + e).swapaxes(-1, -2).sum(-1)[..., None]
    own = scale * (np.abs((in_float64(g.scores * g.slopes)).swapaxes(-1, -2) @ in_float64(x.q)))
    return {"q": e_q, "k": _grouped(x, each + q.shape[2] * lost, own, u) + scale * u.tiny_out}


def _product(size: np.ndarray, e: np.ndarray, u: Units, n: int) -> np.ndarray:
    """The error of dA, enlarged by scaling, by reading and by a sum of n products."""
    return e + np.expm1(u.sums(n) + SCALING * u.a + 3 * u.s + u.operand + u.read) * (size + e)


def _of_values(x: Inputs, g: Gradients, e: _Errors, u: Units) -> np.ndarray:
    """dV = W^T dO."""
    dout, seen = np.abs(in_float64(g.dout)), (~np.isneginf(g.exact.scores)) * u.tiny
    moved = e.weights + np.expm1(u.sums(dout.shape[2]) + u.w + u.operand + u.read) * e.heaviest + seen
    own = np.abs(in_float64(g.exact.weights.swapaxes(-1, -2) @ g.dout))
    return _grouped(x, moved.swapaxes(-1, -2) @ dout + dout.shape[2] * u.tiny_sums, own, u)


def _grouped(x: Inputs, each: np.ndarray, own: np.ndarray, u: Units) -> np.ndarray:
    """Each head's part rounded to the dtype, and the group summed in it."""
    times = 2 + (x.group if x.group > 1 else 0)
    return over_group(each + np.expm1(times * (u.a + u.o)) * (own + each) + u.tiny_out, x)


def _of_bias(x: Inputs, g: Gradients, e: _Errors, u: Units) -> np.ndarray:
    """dS itself, or its sum over the axes along which the bias is broadcast."""
    assert x.bias is not None and g.dbias is not None
    size = np.abs(in_float64(g.scores))
    terms = size.size // max(x.bias.size, 1)
    parts = summed_to(e.scores + np.expm1(u.sums(terms - 1)) * (size + e.scores), x.bias.shape)
    return parts + np.expm1(2 * (u.a + u.o)) * (np.abs(in_float64(g.dbias)) + parts) + u.tiny_out


def _of_sinks(x: Inputs, g: Gradients, e: _Errors, answer: AttentionBounds, u: Units) -> np.ndarray:
    """dsinks = -sum w_t D, where w_t = exp(t - lse)."""
    assert x.sinks is not None and g.dsinks is not None
    sink, lse = in_float64(x.sinks)[:, None], finite(g.exact.lse)
    exponent = answer.lse + e.kept_lse + answer.sinks + np.expm1(3 * u.a + u.s) * np.abs(sink - lse) + 4 * u.a + 2 * u.w
    weight, mean = in_float64(g.exact.sink_weights), np.abs(in_float64(g.means))
    moved = np.minimum(weight * np.expm1(np.minimum(exponent, MOST)), 1)
    parts = moved * mean + (weight + moved) * e.means + u.tiny
    parts = parts + np.expm1(u.sums(mean.shape[0] * mean.shape[2]) + 4 * u.a + 3 * (u.s + u.w)) * (weight * mean + parts)
    total = parts.sum((0, 2))
    return total + np.expm1(2 * u.o) * (np.abs(in_float64(g.dsinks)) + total) + u.tiny_out


def in_range(x: Inputs, g: Gradients, precision: Precision) -> bool:
    """Whether no step of a backward pass comes near the end of the formats in use, hidden keys included: 0 * inf is NaN."""
    used = (precision.scores, precision.weights, precision.sums, precision.output)
    most = min(largest(name) for name in used) / 16
    with np.errstate(all="ignore"):
        dout, dA = np.abs(in_float64(g.dout)), np.abs(in_float64(g.scores)) * max(1.0, x.softcap or 1.0)
        q, k, v = np.abs(in_float64(x.q)), *(np.repeat(np.abs(in_float64(a)), x.group, axis=1) for a in (x.k, x.v))
        scale = max(1.0, abs(float(default_scale(x))))
        steps = [dout @ v.swapaxes(-1, -2), dA, dA @ k * scale, dA.swapaxes(-1, -2) @ q * scale]
        steps += [in_float64(g.exact.weights).swapaxes(-1, -2) @ dout, dout * np.abs(in_float64(g.exact.out)) * dout.shape[-1]]
        return all(bool((step * max(x.group, 1) < most).all()) for step in steps)

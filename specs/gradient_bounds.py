"""How large the error of a gradient may be: N of attention.md carried backwards through the formula of `gradients`.

First order, element by element, from the data and the formats in which an implementation says that it rounds (u_r, u_s,
u_w, u_a, u_o and g as in N3). What is held to be legitimate, and so paid for:

* the backward pass may use the weights of the forward pass or recompute them as exp(z - lse) from a stored lse, whose
  rounding u_a |lse| becomes a relative error of every weight of the row (Blanchard, Higham and Higham 2021, section 4);
* D may be the mean of dP under the weights or dout . out, with the output as it was rounded;
* the gradient of what is stored in a format is stored in that format: dP in that of the weights, dS and dA in the
  coarser of those of weights and scores;
* each query head's dK and dV may be rounded to the dtype before the group is summed, and summed in it.

Names: e_x is the bound of |error of x|, |x| the size that sums of products cannot exceed.

    dw   = N6 without the last rounding, and times exp(4 u_a |lse|);      w+ = w + dw
    e_dP = (g(Dv) u_a + 2 u_r) |dO||V| + (u_s + u_w) |dP|                                    2 u_r only where u_r > u_a
    e_D  = sum |dO| e_out + g(Dv) u_a sum |dO||O| + sum_j w+ e_dP + 2 u_s |D|               e_out from N5
    e_dS = dw |dP - D| + w+ (e_dP + e_D), then 2 (u_a + u_w) + u_s of what it has become
    e_t  = slope e / softcap + 3 u_s |t|,   e_c = 2 (|t| + e_t) e_t + 3 u_a                 t = tanh(s / softcap), c = 1 - t^2
    e_dA = e_dS (c + e_c) + |dS| e_c + 4 u_s |dA|                                           e_dS without a softcap
    e_dQ = |scale| (e_dA |K| + (g(Lk) u_a + 3 u_s + 2 u_r) (|dA| + e_dA) |K|) + 3 u_o |dQ|
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from specs.dtypes import largest
from specs.gradients import Gradients, over_group, seen_keys, softcap_slopes, summed_to
from specs.inputs import Inputs
from specs.oracle import default_scale
from specs.precision import ROUNDOFF, Bounds, Precision, bounds, growth, score_sizes, underflow

MOST = 690.0
"""The exponential of more is not needed to know that nothing is known."""


@dataclass(frozen=True)
class _Units:
    """The unit roundoffs of one precision: accumulator a, scores s, weights w, output o, and what reading inputs costs."""

    a: float
    s: float
    w: float
    o: float
    read: float
    tiny: float
    tiny_out: float

    @classmethod
    def of(cls, precision: Precision) -> _Units:
        a, s, w, o, r = (
            ROUNDOFF[f] for f in (precision.accumulation, precision.scores, precision.weights, precision.output, precision.inputs)
        )
        inside = max(underflow(f) for f in (precision.accumulation, precision.scores, precision.weights))
        return cls(a, s, w, o, 2 * r if r > a else 0.0, inside, underflow(precision.output))


@dataclass(frozen=True, eq=False)
class _Errors:
    """Bounds of the steps: weights, D and dS; what the weights grow to at most."""

    weights: np.ndarray
    heaviest: np.ndarray
    means: np.ndarray
    scores: np.ndarray
    stored_lse: np.ndarray


def gradient_bounds(x: Inputs, g: Gradients, precision: Precision) -> dict[str, np.ndarray]:
    """The largest allowed |error| of each gradient that there is, by the name of its argument."""
    with np.errstate(all="ignore"):
        u, answer = _Units.of(precision), bounds(x, g.exact, replace(precision, output=precision.accumulation))
        e = _steps(g, answer, u)
        found = {**_of_queries_and_keys(x, g, e.scores, u), "v": _of_values(x, g, e, u)}
        if x.bias is not None:
            found["bias"] = _of_bias(x, g, e, u)
        if x.sinks is not None:
            found["sinks"] = _of_sinks(x, g, e, answer, u)
        return {name: np.where(np.isnan(bound), np.inf, bound) for name, bound in found.items()}


def _steps(g: Gradients, answer: Bounds, u: _Units) -> _Errors:
    """From the weights to dS; 0 where masked."""
    w, out, dout, values = (np.abs(_float(a)) for a in (g.exact.weights, g.exact.out, g.dout, g.exact.values))
    products, means, seen = np.abs(_float(g.products)), np.abs(_float(g.means)), ~np.isneginf(g.exact.scores)
    stored_lse = 4 * u.a * np.abs(_finite(g.exact.lse))
    moved = _moved(w, answer.weights, stored_lse, u)
    e_products = (growth(dout.shape[-1]) * u.a + u.read) * (dout @ values.swapaxes(-1, -2)) + (u.s + u.w) * products + u.tiny
    e_out = answer.out + u.o * out + u.tiny_out
    e_means = (dout * (e_out + growth(dout.shape[-1]) * u.a * out)).sum(-1) + ((w + moved) * e_products).sum(-1)
    e_means = e_means + 2 * u.s * means + u.tiny
    distance = np.abs(_float(g.products - g.means[..., None]))
    e_scores = moved * distance + (w + moved) * (e_products + e_means[..., None])
    e_scores = e_scores + (2 * (u.a + u.w) + u.s) * (np.abs(_float(g.scores)) + e_scores) + 2 * u.tiny
    return _Errors(moved, w + moved, e_means, np.where(seen, e_scores, 0), stored_lse)


def _moved(w: np.ndarray, forward: np.ndarray, stored_lse: np.ndarray, u: _Units) -> np.ndarray:
    """How far a weight may be off in the backward pass. Who stores scores keeps weights, or meets the same scores again."""
    factor = np.exp(np.minimum(stored_lse, MOST))[..., None]
    moved = forward * factor + w * np.expm1(np.minimum(stored_lse, MOST))[..., None]
    return np.minimum(moved, factor) if u.s > u.a else moved


def _through_the_cap(x: Inputs, g: Gradients, e_scores: np.ndarray, u: _Units) -> np.ndarray:
    """The bound of dA; the slope of the cap is taken at the end of the score's interval that is nearest to 0."""
    if x.softcap is None:
        return e_scores
    scaled, cap = np.abs(_float(g.exact.scaled)), x.softcap
    e = (growth(x.q.shape[-1]) * u.a + 3 * u.s + u.read) * score_sizes(x) + 2 * u.s * scaled
    tanh = np.tanh(scaled / cap)
    e_tanh = softcap_slopes(np.maximum(scaled - e, 0), cap) * e / cap + 3 * u.s * tanh
    slope, e_slope = _float(g.slopes), np.minimum(2 * (tanh + e_tanh) * e_tanh + 3 * u.a, 1)
    size = np.abs(_float(g.scores))
    return np.where(
        np.isneginf(g.exact.scores), 0, e_scores * (slope + e_slope) + size * (e_slope + 4 * u.s * slope) + 3 * u.tiny
    )


def _of_queries_and_keys(x: Inputs, g: Gradients, e_scores: np.ndarray, u: _Units) -> dict[str, np.ndarray]:
    """dQ = scale dA K and dK = scale dA^T Q, products of dA with what was read, or scaled and stored before."""
    scale, size = abs(float(default_scale(x))), np.abs(_float(g.scores * g.slopes))
    e = _through_the_cap(x, g, e_scores, u)
    q, k = np.abs(_float(x.q)), np.abs(_float(seen_keys(x)))
    seen = (~np.isneginf(g.exact.scores)) * (u.tiny * max(1, scale))
    by_keys, by_queries = (_product(size, e, u, n) for n in (k.shape[2], q.shape[2]))
    e_q = (scale * by_keys + seen) @ k + 3 * u.o * np.abs(_float(g.dq)) + (scale + 1) * u.tiny_out
    each = (scale * by_queries + seen).swapaxes(-1, -2) @ q + scale * u.tiny_out * (size + e).swapaxes(-1, -2).sum(-1)[..., None]
    own = scale * (np.abs((_float(g.scores * g.slopes)).swapaxes(-1, -2) @ _float(x.q)))
    return {"q": e_q, "k": _grouped(x, each, own, u) + scale * u.tiny_out}


def _product(size: np.ndarray, e: np.ndarray, u: _Units, n: int) -> np.ndarray:
    """The error of dA and what a sum of n products adds to it."""
    return e + (growth(n) * u.a + 3 * u.s + u.read) * (size + e)


def _of_values(x: Inputs, g: Gradients, e: _Errors, u: _Units) -> np.ndarray:
    """dV = W^T dO."""
    dout, seen = np.abs(_float(g.dout)), (~np.isneginf(g.exact.scores)) * u.tiny
    moved = e.weights + (growth(dout.shape[2]) * u.a + u.w + u.read) * e.heaviest + seen
    own = np.abs(_float(g.exact.weights.swapaxes(-1, -2) @ g.dout))
    return _grouped(x, moved.swapaxes(-1, -2) @ dout, own, u)


def _grouped(x: Inputs, each: np.ndarray, own: np.ndarray, u: _Units) -> np.ndarray:
    """Each head's part rounded to the dtype, and the group summed in it."""
    times = 2 + (x.group if x.group > 1 else 0)
    return over_group(each + times * u.o * (own + each) + u.tiny_out, x)


def _of_bias(x: Inputs, g: Gradients, e: _Errors, u: _Units) -> np.ndarray:
    """dS itself, or its sum over the axes along which the bias is broadcast."""
    assert x.bias is not None and g.dbias is not None
    size = np.abs(_float(g.scores))
    terms = size.size // max(x.bias.size, 1)
    parts = e.scores + growth(terms) * u.a * (size + e.scores) * (terms > 1)
    return summed_to(parts, x.bias.shape) + 2 * u.o * np.abs(_float(g.dbias)) + u.tiny_out


def _of_sinks(x: Inputs, g: Gradients, e: _Errors, answer: Bounds, u: _Units) -> np.ndarray:
    """dsinks = -sum w_t D, where w_t = exp(t - lse)."""
    assert x.sinks is not None and g.dsinks is not None
    sink, lse = _float(x.sinks)[:, None], _finite(g.exact.lse)
    exponent = answer.lse + e.stored_lse + u.s * (2 * np.abs(sink) + 2 * np.abs(sink - lse)) + 4 * u.a + 2 * u.w
    weight, mean = _float(g.exact.sink_weights), np.abs(_float(g.means))
    moved = np.minimum(weight * np.expm1(np.minimum(exponent, MOST)), 1)
    parts = moved * mean + (weight + moved) * e.means + u.tiny
    parts = parts + (growth(mean.shape[0] * mean.shape[2]) * u.a + 3 * (u.s + u.w)) * (weight * mean + parts)
    return parts.sum((0, 2)) + 2 * u.o * np.abs(_float(g.dsinks)) + u.tiny_out


def in_range(x: Inputs, g: Gradients, precision: Precision) -> bool:
    """Whether no step of a backward pass comes near the end of the formats in use, hidden keys included: 0 * inf is NaN."""
    formats = {"tf32": "float32", "float32-truncating": "float32"}
    used = (precision.scores, precision.weights, precision.accumulation, precision.output)
    most = min(largest(formats.get(name, name)) for name in used) / 16
    with np.errstate(all="ignore"):
        dout, dA = np.abs(_float(g.dout)), np.abs(_float(g.scores)) * max(1.0, x.softcap or 1.0)
        q, k, v = np.abs(_float(x.q)), *(np.repeat(np.abs(_float(a)), x.group, axis=1) for a in (x.k, x.v))
        scale = max(1.0, abs(float(default_scale(x))))
        steps = [dout @ v.swapaxes(-1, -2), dA, dA @ k * scale, dA.swapaxes(-1, -2) @ q * scale]
        steps += [_float(g.exact.weights).swapaxes(-1, -2) @ dout, dout * np.abs(_float(g.exact.out)) * dout.shape[-1]]
        return all(bool((step * max(x.group, 1) < most).all()) for step in steps)


def _float(a: np.ndarray) -> np.ndarray:
    return a.astype(np.float64)


def _finite(a: np.ndarray) -> np.ndarray:
    return np.where(np.isneginf(a), 0, a).astype(np.float64)

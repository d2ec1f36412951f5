"""The largest error of the layer: the bound of attention with the errors of four projections carried through.

Derived in `precision.md`, section 7.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from attention_specs.attention.bounds import DIVISION, AttentionBounds, Inherited
from attention_specs.attention.inputs import Inputs
from attention_specs.multi_head.inputs import LayerInputs
from attention_specs.multi_head.oracle import LayerReference, head_scale, join, split
from attention_specs.precision import Units
from attention_specs.stopwatch import timed


class LayerBounds:
    """The bounds for one call of a layer whose roundings cost `u`, each worked out when it is asked for.

    `uniform`: empty rows give the mean value.
    """

    def __init__(self, x: LayerInputs, exact: LayerReference, u: Units, uniform: bool = False) -> None:
        self.x, self.exact, self.u, self.uniform = x, exact, u, uniform

    @cached_property
    @timed("bounds")
    @np.errstate(over="ignore", invalid="ignore")
    def out(self) -> np.ndarray:
        """[B, Lq, d]."""
        empty, moved = self.exact.attention.empty[..., None], self._heads.out
        moved = np.where(empty, _mean_error(self.x, self._projected[2], self.u), moved) if self.uniform else moved
        return _leaving(self.x, self.exact, self.u, join(moved))

    @cached_property
    @timed("bounds")
    @np.errstate(over="ignore", invalid="ignore")
    def weights(self) -> np.ndarray:
        """[B, heads, Lq, Lk]."""
        return _returned(self._heads.weights, self.exact, self.u)

    @property
    @np.errstate(over="ignore", invalid="ignore")
    def lse(self) -> np.ndarray:
        """[B, heads, Lq]."""
        return self._heads.lse

    @cached_property
    @timed("bounds")
    @np.errstate(over="ignore", invalid="ignore")
    def _projected(self) -> list[np.ndarray]:
        """[B, heads, L, d/heads]: the errors of queries, keys and values."""
        x = self.x
        sent = ((x.query, x.w_q, x.b_q), (x.key, x.w_k, x.b_k), (x.value, x.w_v, x.b_v))
        return [split(projection_error(a, w, b, self.u), x.heads) for a, w, b in sent]

    @cached_property
    def _heads(self) -> AttentionBounds:
        dq, dk, dv = self._projected
        if (rotary := self.x.rotary) is not None:
            before = (rotary.turned(a.astype(np.float64), back=True) for a in (self.exact.q, self.exact.k))
            dq, dk = (rotary.error(a, off, self.u) for a, off in zip(before, (dq, dk), strict=True))
        return _attention_bounds(self.exact, self.u, dq, dk, dv, head_scale(self.x))


def projection_sizes(a: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    """|a||w| + |b|, which a projection cannot exceed on the way."""
    a, w, b = (np.abs(array.astype(np.float64)) for array in (a, w, b))
    sizes: np.ndarray = a @ w + b
    return sizes


def projection_error(a: np.ndarray, w: np.ndarray, b: np.ndarray, u: Units) -> np.ndarray:
    """A sum of d products and a bias of data that are read, stored once before the bias is added and once after, [B, L, d]."""
    terms = w.shape[0] + 1
    lost = (terms + 2) * u.tiny * np.exp(u.sums(terms))
    error: np.ndarray = np.expm1(u.sums(terms) + 2 * u.operand + 2 * u.w) * projection_sizes(a, w, b) + lost
    return error


def _attention_bounds(
    exact: LayerReference, u: Units, dq: np.ndarray, dk: np.ndarray, dv: np.ndarray, scale: float
) -> AttentionBounds:
    """Attention in each head, on its own operands, with their errors and without casts. Its output is stored like weights."""
    q, k = (np.abs(a.astype(np.float64)) for a in (exact.q, exact.k))
    inherited = scale * (dq @ k.swapaxes(-1, -2) + (q + dq) @ dk.swapaxes(-1, -2))
    inner = Inputs(q + dq, k + dk, exact.attention.values.astype(np.float64))
    stored = replace(u, o=u.w, tiny_out=u.tiny, cast=0.0, operand=u.read)
    return AttentionBounds(inner, exact.attention, stored, Inherited(inherited, dv))


def _mean_error(x: LayerInputs, dv: np.ndarray, u: Units) -> np.ndarray:
    """Error of the plain mean of the values, [B, heads, 1, d/heads]: n equal weights, a sum, a division, two roundings."""
    keys = max(dv.shape[2], 1)
    sizes = split(projection_sizes(x.value, x.w_v, x.b_v), x.heads)
    relative = np.expm1(u.sums(keys) + 2 * u.read + DIVISION * u.a + 2 * u.w)
    error: np.ndarray = (dv + relative * (sizes + dv)).sum(2, keepdims=True) / keys + keys * u.tiny
    return error


def _leaving(x: LayerInputs, exact: LayerReference, u: Units, moved: np.ndarray) -> np.ndarray:
    """The output projection of heads that are off by `moved`."""
    w, terms = np.abs(x.w_o.astype(np.float64)), x.w_o.shape[0] + 1
    out, bias = exact.out.astype(np.float64), x.b_o.astype(np.float64)
    carried = moved @ w
    summed = np.expm1(u.sums(terms) + u.read + u.operand) * (projection_sizes(join(exact.attention.out), x.w_o, x.b_o) + carried)
    before = np.expm1(u.w) * (np.abs(out - bias) + carried + summed)
    unrounded = carried + summed + before + (terms + 1) * u.tiny
    error: np.ndarray = unrounded + np.expm1(u.o) * (np.abs(out) + unrounded) + u.tiny_out
    return error


def _returned(weights: np.ndarray, exact: LayerReference, u: Units) -> np.ndarray:
    """Weights that are returned are rounded to the output's dtype."""
    w = exact.attention.weights.astype(np.float64)
    return np.where(w > 0, weights + np.expm1(u.o) * (w + weights) + u.tiny_out, 0)

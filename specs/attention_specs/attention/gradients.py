"""The gradient of attention, by its formula, in float64 or better, as `oracle.attention` is the output by its formula.

With W, O and the scaled scores of the definition, for an output gradient dO:

    dP = dO V^T,   D = rowsum(dO * O),   dS = W * (dP - D)        through the softmax
    dA = dS * (1 - tanh(s / softcap)^2)                           through the softcap; dA = dS without one
    dQ = scale dA K,   dK = scale dA^T Q,   dV = W^T dO           dK and dV summed over the group
    dbias = dS summed over the axes along which it is broadcast,  dsinks = -sum over batch and queries of w_t D

Empty rows have no weights, so they give and get nothing. No implementation may import this.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attention_specs.attention.inputs import Inputs
from attention_specs.attention.oracle import Reference, attention, default_scale
from attention_specs.formats import oracle_dtype
from attention_specs.stopwatch import timed


@dataclass(frozen=True, eq=False)
class Gradients:
    """The right gradients, each in the shape of its argument, and the steps that the error bound needs."""

    dq: np.ndarray
    """[B, Hq, Lq, D]."""
    dk: np.ndarray
    """[B, Hkv, Lk, D]."""
    dv: np.ndarray
    """[B, Hkv, Lk, Dv]."""
    dbias: np.ndarray | None
    """In the shape of the bias; None without one."""
    dsinks: np.ndarray | None
    """[Hq]; None without sinks."""
    dout: np.ndarray
    """[B, Hq, Lq, Dv], the output gradient in the oracle's dtype."""
    products: np.ndarray
    """dP, [B, Hq, Lq, Lk]: the product of the output gradient and each value."""
    means: np.ndarray
    """D, [B, Hq, Lq]: the mean of dP under the weights."""
    scores: np.ndarray
    """dS, [B, Hq, Lq, Lk]: the gradient of the softmax's input; 0 where masked."""
    slopes: np.ndarray
    """Of the softcap, 1 - tanh^2, [B, Hq, Lq, Lk]; 1 without one."""
    exact: Reference
    """The answer whose gradient this is."""

    def named(self) -> dict[str, np.ndarray]:
        """The gradients that there are, by the name of the argument."""
        by_argument = {"q": self.dq, "k": self.dk, "v": self.dv, "bias": self.dbias, "sinks": self.dsinks}
        return {name: gradient for name, gradient in by_argument.items() if gradient is not None}


@timed("oracle")
def gradients(x: Inputs, dout: np.ndarray) -> Gradients:
    """The exact gradients of sum(dout * attention(x)), dout [B, Hq, Lq, Dv]."""
    exact = attention(x)
    dout = dout.astype(exact.out.dtype)
    products, means = dout @ exact.values.swapaxes(-1, -2), (dout * exact.out).sum(-1)
    scores = exact.weights * (products - means[..., None])
    slopes = softcap_slopes(exact.scaled, x.softcap)
    scaled, keys = scores * slopes * default_scale(x), seen_keys(x)
    return Gradients(
        dq=scaled @ keys,
        dk=over_group(scaled.swapaxes(-1, -2) @ x.q.astype(dout.dtype), x),
        dv=over_group(exact.weights.swapaxes(-1, -2) @ dout, x),
        dbias=None if x.bias is None else summed_to(scores, x.bias.shape),
        dsinks=None if x.sinks is None else -(exact.sink_weights * means).sum((0, 2)),
        dout=dout, products=products, means=means, scores=scores, slopes=slopes, exact=exact,
    )  # fmt: skip


def softcap_slopes(scaled: np.ndarray, softcap: float | None) -> np.ndarray:
    """1 - tanh(s / softcap)^2 as 1 / cosh^2, without cancellation."""
    if softcap is None:
        return np.ones_like(scaled)
    return 1 / np.cosh(np.clip(scaled / softcap, -FARTHEST, FARTHEST)) ** 2


FARTHEST = 300.0
"""Beyond it 1 / cosh^2 is below every rounding, and its square would leave the range of float64."""


def seen_keys(x: Inputs) -> np.ndarray:
    """Keys repeated over the group, [B, Hq, Lk, D], in the oracle's dtype; 0 at keys that no query sees, NaN or not."""
    keys = np.repeat(x.k, x.group, axis=1).astype(oracle_dtype(x.dtype))
    return np.where(np.any(x.visible(), -2)[..., None], keys, 0)


def over_group(per_query_head: np.ndarray, x: Inputs) -> np.ndarray:
    """[B, Hq, Lk, n] summed over the query heads that share a key head: [B, Hkv, Lk, n]."""
    batch, _, length, n = per_query_head.shape
    return per_query_head.reshape(batch, x.k.shape[1], x.group, length, n).sum(2)


def summed_to(full: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The sum over the axes along which an array of that shape is broadcast to the full one."""
    padded = (1,) * (full.ndim - len(shape)) + shape
    axes = tuple(axis for axis, size in enumerate(padded) if size == 1 and full.shape[axis] != 1)
    return full.sum(axes, keepdims=True).reshape(shape)

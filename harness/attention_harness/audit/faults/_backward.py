"""Parts of faults of gradients: a right backward pass whose steps can be exchanged one by one.

The formula is that of `attention_specs.attention.gradients`, on weights that are recomputed from the log-sum-exp.
Scores are [B, Hq, Lq, Lk].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from attention_harness.audit.faults._parts import Step, attention, identity, invisible
from attention_implementations.numpy._common import per_query_head, working_dtype
from attention_specs.contract import OPTIONS, declares

Array = np.ndarray
Gradients = dict[str, Array]
Backward = Callable[[Mapping[str, Array], Mapping[str, Any], Sequence[str], Array], Gradients]
"""The backward pass that a NumPy attention may offer: (arrays, options, wrt, dout) -> gradients by name."""


@dataclass(frozen=True, eq=False)
class Pass:
    """The arrays of a backward pass, per query head and in the working dtype: float32 for 16 bits."""

    q: Array
    k: Array
    v: Array
    dout: Array
    out: Array
    """The output of the forward pass, rounded to the dtype of the inputs."""
    lse: Array
    """[B, Hq, Lq, 1], sinks included; -inf in rows that see nothing."""
    open_scores: Array
    """The scores for the softmax if nothing were hidden."""
    scores: Array
    """The scores for the softmax: -inf where hidden."""
    tanh: Array | float
    """Of scaled scores over the softcap; 0 without one."""
    scale: float
    key_heads: int
    options: Mapping[str, Any]


def begin(arrays: Mapping[str, Array], options: Mapping[str, Any], dout: Array) -> Pass:
    """The forward pass, and what is recomputed of it."""
    q, k, v = (arrays[name] for name in "qkv")
    dtype, cap, bias, scale = working_dtype(q.dtype), *(options.get(name) for name in ("softcap", "bias", "scale"))
    out, lse = attention(q, k, v, **options, return_lse=True)
    keys, values = (per_query_head(a, q.shape[1], dtype) for a in (k, v))
    scale = max(q.shape[-1], 1) ** -0.5 if scale is None else float(scale)
    s = scale * (q.astype(dtype) @ keys.swapaxes(-1, -2))
    tanh = 0.0 if cap is None else np.tanh(s / cap)
    s = s if cap is None else cap * tanh
    s = s if bias is None else s + bias.astype(dtype)
    seen = np.where(invisible(q, k, **options), -np.inf, s).astype(dtype)
    given = (q.astype(dtype), keys, values, dout.astype(dtype), out.astype(dtype))
    return Pass(*given, lse[..., None], s, seen, tanh, scale, k.shape[1], options)


def probabilities(p: Pass) -> Array:
    """Weights again: exp(s - lse), 0 where hidden."""
    return np.where(np.isneginf(p.scores), 0, np.exp(p.scores - p.lse))


def rowsums(p: Pass) -> Array:
    """D = sum(dO * O), [B, Hq, Lq, 1]."""
    return (p.dout * p.out).sum(-1, keepdims=True)


def slopes(p: Pass) -> Any:
    """Of the softcap: 1 - tanh^2."""
    return 1 - p.tanh * p.tanh


def of_queries(p: Pass, da: Array) -> Array:
    """dQ of each head, from the gradient of q k^T."""
    return da @ p.k


def of_keys(p: Pass, da: Array) -> Array:
    """dK of each query head."""
    return da.swapaxes(-1, -2) @ p.q


def of_values(p: Pass, w: Array) -> Array:
    """dV of each query head."""
    return w.swapaxes(-1, -2) @ p.dout


def over_group(a: Array, key_heads: int) -> Array:
    """The sum over the query heads that share a key head."""
    return a.reshape(a.shape[0], key_heads, a.shape[1] // max(key_heads, 1), *a.shape[2:]).sum(2)


def of_bias(p: Pass, ds: Array) -> Array:
    """dS, summed over the axes along which the bias is broadcast."""
    shape = p.options["bias"].shape
    padded = (1,) * (ds.ndim - len(shape)) + shape
    return ds.sum(tuple(axis for axis, size in enumerate(padded) if size == 1), keepdims=True).reshape(shape)


def of_sinks(p: Pass, d: Array) -> Array:
    """-sum of exp(sink - lse) D, for each head."""
    sinks = p.options["sinks"].astype(p.lse.dtype)[:, None, None]
    return -(np.exp(sinks - p.lse) * d).sum((0, 2, 3))


def backward(
    arrays: Mapping[str, Array], options: Mapping[str, Any], wrt: Sequence[str], dout: Array, *, weights: Any = probabilities,
    means: Any = rowsums, scores: Step = identity, slope: Any = slopes, queries: Any = of_queries, keys: Any = of_keys,
    values: Any = of_values, grouped: Any = over_group, bias: Any = of_bias, sinks: Any = of_sinks,
) -> Gradients:  # fmt: skip
    """The gradients, with steps to exchange; each is rounded once, at the end. All get the pass, most of them one array more.

    `scores` and `grouped` get an array and no pass: the gradient of the scores, and dK or dV of each query head.
    """
    p = begin(arrays, options, dout)
    w, d = weights(p), means(p)
    ds = scores(w * (p.dout @ p.v.swapaxes(-1, -2) - d))
    da = p.scale * slope(p) * ds
    gradients = {"q": queries(p, da), "k": grouped(keys(p, da), p.key_heads), "v": grouped(values(p, w), p.key_heads)}
    if "bias" in wrt:
        gradients["bias"] = bias(p, ds)
    if "sinks" in wrt:
        gradients["sinks"] = sinks(p, d)
    return {name: gradients[name].astype(arrays["q"].dtype) for name in wrt}


def differentiable(wrong: Backward) -> Callable[..., Any]:
    """The right attention with the gradients of this backward pass, under its name. With `backward` nothing is wrong."""

    @declares(gradient=True, precision={"bfloat16": "exact", "float16": "exact"})
    def attend(q: Array, k: Array, v: Array, **options: Any) -> Any:
        return attention(q, k, v, **options)

    def quiet(*asked: Any) -> Gradients:
        with np.errstate(all="ignore"):
            return wrong(*asked)

    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(attend, name, getattr(wrong, name))
    attend.backward = quiet  # type: ignore[attr-defined]
    attend.options = tuple(name for name in OPTIONS if not name.startswith("past"))  # type: ignore[attr-defined]
    return attend

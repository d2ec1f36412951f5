"""Memory that the backward pass reads or writes without its strides, and gradients of biases and sinks (C27, C39)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._backward import (
    Gradients,
    Pass,
    backward,
    differentiable,
    of_bias,
    of_keys,
    of_sinks,
    probabilities,
)

Array = np.ndarray


def _in_the_order_of(a: Array, like: Array) -> Array:
    """The array written with its axes in the order in which `like` has them in memory, and read as if they were in order."""
    order = np.argsort([-abs(stride) for stride in like.strides], kind="stable")
    return a.transpose(order).reshape(a.shape)


def _as_if_dense(a: Array) -> Array:
    """The array as someone reads it who ignores its strides; behind the end there are zeros."""
    if 0 in a.strides and a.size:
        return np.where(np.arange(a.size).reshape(a.shape) == 0, a.flat[0], a.dtype.type(0))
    return _in_the_order_of(a, a)


@fault("C27", "Dao-AILab/flash-attention#355")
@differentiable
def strides_of_the_output_gradient_are_ignored(arrays: Any, options: Any, wrt: Any, dout: Array) -> Gradients:
    """It is taken to lie as the output does."""
    return backward(arrays, options, wrt, _as_if_dense(dout))


@fault("C27", "facebookresearch/xformers#282")
@differentiable
def expanded_output_gradients_raise(arrays: Any, options: Any, wrt: Any, dout: Array) -> Gradients:
    """The gradient of sum() has stride 0."""
    if 0 in dout.strides and dout.size > 1:
        raise ValueError("dout=expanded, but should be contiguous")
    return backward(arrays, options, wrt, dout)


@fault("C27", "Dao-AILab/flash-attention#818")
@differentiable
def dk_is_allocated_as_q_is(*asked: Any) -> Gradients:
    """Where k is contiguous and q is not, dK is written in the order of q and read in that of k."""
    q, k = asked[0]["q"], asked[0]["k"]
    wrong = k.flags.c_contiguous and not q.flags.c_contiguous
    return backward(*asked, keys=lambda p, da: _in_the_order_of(of_keys(p, da), q) if wrong else of_keys(p, da))


@fault("C27", "pytorch/pytorch#146377")
@differentiable
def dk_of_sliced_keys_has_gaps(*asked: Any) -> Gradients:
    """Rows of dK are as far apart as those of a longer k, in memory that is shorter."""
    k = asked[0]["k"]
    width, step = k.shape[3], k.strides[2] // k.itemsize

    def spaced(p: Pass, da: Array) -> Array:
        dk = of_keys(p, da)
        index = step * np.arange(dk.size // max(width, 1))[:, None] + np.arange(width)
        return dk.ravel()[index % max(dk.size, 1)].reshape(dk.shape) if step > width else dk

    return backward(*asked, keys=spaced)


@fault("C27", "NVIDIA/cudnn-frontend#304")
@differentiable
def the_lse_is_read_as_if_packed(*asked: Any) -> Gradients:
    """Where q is not contiguous, the log-sum-exp lies as [B, Lq, Hq] and is read as [B, Hq, Lq]."""
    packed = asked[0]["q"].flags.c_contiguous

    def other(p: Pass) -> Array:
        lse = np.ascontiguousarray(p.lse.swapaxes(1, 2)).reshape(p.lse.shape)
        return probabilities(p) if packed else np.where(np.isneginf(p.scores), 0, np.exp(p.scores - lse))

    return backward(*asked, weights=other)


@fault("C27", "pytorch/pytorch#188302")
@differentiable
def the_bias_alone_has_no_lse(arrays: Any, options: Any, wrt: Any, dout: Array) -> Gradients:
    """The log-sum-exp is kept only if q, k or v need gradients."""
    if not {"q", "k", "v"} & set(wrt):
        raise RuntimeError("lse=none, but should be kept")
    return backward(arrays, options, wrt, dout)


@fault("C27")
@differentiable
def the_bias_gradient_is_a_mean(*asked: Any) -> Gradients:
    """Divided by the size of the axes along which the bias is broadcast."""
    return backward(*asked, bias=lambda p, ds: of_bias(p, ds) * max(p.options["bias"].size, 1) / max(ds.size, 1))


@fault("C27", "ml-explore/mlx#2909")
@differentiable
def the_bias_gets_no_gradient(*asked: Any) -> Gradients:
    """Zeros."""
    return backward(*asked, bias=lambda p, ds: 0 * of_bias(p, ds))


@fault("C27")
@differentiable
def the_bias_gradient_is_scaled(*asked: Any) -> Gradients:
    """As if the scale came behind the bias."""
    return backward(*asked, bias=lambda p, ds: p.scale * of_bias(p, ds))


@fault("C39", "jax-ml/jax#23740")
@differentiable
def the_bias_gradient_is_summed_over_the_batch(*asked: Any) -> Gradients:
    """Though each batch entry has a bias of its own."""

    def summed(p: Pass, ds: Array) -> Array:
        own = of_bias(p, ds)
        return np.broadcast_to(own.sum(0, keepdims=True), own.shape) if own.ndim == 4 else own

    return backward(*asked, bias=summed)


@fault("C27")
@differentiable
def the_sinks_have_the_sign_of_a_key(*asked: Any) -> Gradients:
    """dsinks is added instead of taken off."""
    return backward(*asked, sinks=lambda p, d: -of_sinks(p, d))


@fault("C27")
@differentiable
def the_sinks_get_no_gradient(*asked: Any) -> Gradients:
    """Zeros."""
    return backward(*asked, sinks=lambda p, d: 0 * of_sinks(p, d))

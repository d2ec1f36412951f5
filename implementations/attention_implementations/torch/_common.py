"""The common parts of the torch implementations: attention by products, and scaled_dot_product_attention with its kernel forced.

Device and dtype are those of the tensors. q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv].
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

Result: TypeAlias = Tensor | tuple[Tensor, ...]

GROUPED = (None, SDPBackend.MATH, SDPBackend.FLASH_ATTENTION)
"""Kernels that take fewer key heads than query heads; for the others the key heads are repeated first."""

LOAD = 16
"""Bytes that the kernels for CUDA load at once."""

MASKED = (SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION)
"""Kernels for CUDA that take masks, but not as they come: `whole`."""

REFUSALS = ("No available kernel", "cuDNN Frontend error")
"""Messages of errors where a kernel does not take the call."""

LOWEST = torch.finfo(torch.float32).min / 2
"""The lowest bias but -inf: those kernels count in powers of two, where -3e38 becomes -inf (torch 2.11.0, H200)."""


def eager(
    q: Tensor, k: Tensor, v: Tensor, *, past: int, mask: Tensor | None, bias: Tensor | None, is_causal: bool, scale: float | None,
    window: Any, softcap: float | None, sinks: Tensor | None, return_weights: bool, return_lse: bool,
) -> Result:  # fmt: skip
    """softmax(softcap(scale * q k^T) + bias) v, every step stored in the dtype of the tensors; query i stands at past + i.

    q is scaled before the product, so that float16 scores overflow no earlier than they must.
    """
    scores = (q * default_scale(q, scale)) @ per_query_head(k, q).mT
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    if bias is not None:
        scores = scores + bias.to(q.dtype)
    # Filled below, since the gradient of a softmax over -inf alone is NaN.
    unmasked = None if bias is None else bias != -torch.inf
    seen = both(both(mask, unmasked), rules(scores, past, is_causal, window))
    if seen is not None:
        scores = scores.masked_fill(~seen, -torch.inf)
    weights, lse = softmax(scores, sinks)
    given = [extra for extra, wanted in ((weights, return_weights), (lse, return_lse)) if wanted]
    out = weights @ per_query_head(v, q)
    return (out, *given) if given else out


def softmax(scores: Tensor, sinks: Tensor | None) -> tuple[Tensor, Tensor]:
    """Weights and log-sum-exp over the last axis; a sink is one more column that is left out; 0 and -inf for rows of -inf."""
    if sinks is not None:
        scores = torch.cat([scores, sinks.to(scores.dtype)[:, None, None].expand(*scores.shape[:3], 1)], -1)
    weights = torch.softmax(scores, -1).masked_fill(scores == -torch.inf, 0)
    lse = torch.logsumexp(scores, -1)
    return weights if sinks is None else weights[..., :-1], lse


def rules(scores: Tensor, past: int, is_causal: bool, window: Any) -> Tensor | None:
    """Bool [Lq, Lk]: where causality and window allow attention; None where they hide nothing."""
    i, j = (torch.arange(n, device=scores.device) for n in scores.shape[2:])
    i, (left, right) = past + i[:, None], window or (None, None)
    seen = j <= i if is_causal else None
    seen = seen if left is None else both(seen, i - j <= left)
    return seen if right is None else both(seen, j - i <= right)


def both(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    """Where both allow attention; None allows everything."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def default_scale(q: Tensor, scale: float | None) -> float:
    """The scale as given, else 1/sqrt(D); 1 for D = 0, where every score is an empty sum."""
    return max(q.shape[-1], 1) ** -0.5 if scale is None else scale


def per_query_head(a: Tensor, q: Tensor) -> Tensor:
    """Keys or values [B, Hkv, L, D] as [B, Hq, L, D]: query head h reads key head h // group."""
    return a if a.shape[1] == q.shape[1] else a.repeat_interleave(q.shape[1] // a.shape[1], 1)


def sdpa(
    kernel: SDPBackend | None, q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None, bias: Tensor | None = None,
    is_causal: bool, scale: float | None,
) -> Tensor:  # fmt: skip
    """torch's scaled_dot_product_attention by this kernel and no other, or by the one that torch chooses, for None.

    NotImplementedError for calls that the kernel does not take.

    Causality beside a mask or a bias is written out, since torch takes either. So it is for a scale that is not positive: the
    flash kernels put -inf before they scale, and -inf * 0 and -inf * -1 make NaN of the row (finding flash-negative-scale).
    """
    q, k, v = (aligned(a, LOAD // a.element_size() if a.is_cuda and kernel != SDPBackend.MATH else 1) for a in (q, k, v))
    if kernel not in GROUPED:
        k, v = per_query_head(k, q), per_query_head(v, q)
    scale, grouped = default_scale(q, scale), k.shape[1] != q.shape[1]
    native = is_causal and mask is None and bias is None and scale > 0
    joined = one_mask(q, k, mask, bias, is_causal and not native, wide=kernel == SDPBackend.MATH)
    if joined is not None and kernel in MASKED:
        joined = whole(joined, q, k)
    try:
        with sdpa_kernel(kernel) if kernel else nullcontext():
            out = scaled_dot_product_attention(q, k, v, attn_mask=joined, is_causal=native, scale=scale, enable_gqa=grouped)
    except RuntimeError as error:
        if not any(refusal in str(error) for refusal in REFUSALS):
            raise
        raise NotImplementedError(f"kernel={_name(kernel)}, but should be another: torch warns of the reason") from error
    if out is None:  # cuDNN, without columns (torch 2.11.0)
        raise NotImplementedError(f"kernel={_name(kernel)}, but should be one that knows arrays without columns")
    return out


def _name(kernel: SDPBackend | None) -> str:
    return kernel.name if kernel else "chosen by torch"


def require_positive(scale: float | None) -> None:
    """NotImplementedError for a scale of zero or below: flash and cuDNN on CUDA hide keys, and take the maximum, before they scale."""
    if scale is not None and scale <= 0:
        raise NotImplementedError(f"scale={scale}, but should be positive")


def aligned(a: Tensor, step: int) -> Tensor:
    """The tensor with stride 1 along its last axis, as fused kernels want it, and all rows on multiples of `step` elements.

    On CUDA that counts along an axis of size 1 too: one query that was stored across, [1, 8, 1, 64] with strides (512, 64, 1, 1),
    is "not correctly aligned (strideM)" for the efficient kernel, and rows that start elsewhere end the flash kernel, and the
    process, in "misaligned address" (torch 2.11.0). `contiguous` would keep odd strides of size 1.
    """
    starts = [stride * a.element_size() for stride in a.stride()[:-1]] + [a.data_ptr()]
    fits = a.stride(-1) == 1 and not any(start % (step * a.element_size()) for start in starts)
    return a if fits else a.clone(memory_format=torch.contiguous_format)


def one_mask(
    q: Tensor, k: Tensor, mask: Tensor | None, bias: Tensor | None, is_causal: bool, *, wide: bool = False
) -> Tensor | None:
    """Mask, bias and causality in the one argument that torch has for them, with four axes, bool or float; None without them.

    A `wide` one is in float32 at least, so that the gradient of a bias with fewer axes is summed before it is rounded.
    """
    joined = both(mask, torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device).tril() if is_causal else None)
    if bias is not None:
        bias = bias.to(torch.promote_types(q.dtype, torch.float32) if wide else q.dtype)
        joined = bias if joined is None else torch.where(joined, bias, -torch.inf)
    return None if joined is None else joined[(None,) * (4 - joined.ndim)]


def whole(mask: Tensor, q: Tensor, k: Tensor) -> Tensor:
    """A mask [.., .., .., Lk or 1] as the CUDA kernels need it: float, with a number for each key, -inf or at least LOWEST.

    torch 2.11.0 on an H200 hands a bool mask to cuDNN with the smallest number of the dtype for False, so that a row without
    keys comes out as if it had no mask, and breaks off for a mask of one column, which broadcasts over the keys: "(*bias): last
    dimension must be contiguous" from the efficient kernel, and from cuDNN "misaligned address", after which the process has
    lost its device.
    """
    if not mask.is_floating_point():
        mask = torch.zeros_like(mask, dtype=q.dtype).masked_fill(~mask, -torch.inf)
    mask = torch.where(mask == -torch.inf, mask, mask.clamp(min=max(LOWEST, torch.finfo(mask.dtype).min)))
    return mask.expand(*mask.shape[:3], k.shape[2]).clone(memory_format=torch.contiguous_format)

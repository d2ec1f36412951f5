"""mlx.core.fast.scaled_dot_product_attention on MLX's CPU backend."""

from __future__ import annotations

import ml_dtypes
import mlx.core as mx
import numpy as np

from attention_specs.contract import declares

mx.set_default_device(mx.cpu)


@declares(
    framework="numpy",
    dtypes=("float32", "bfloat16", "float16"),
    conventions={
        "causal_alignment": "bottom-right",
        "empty_rows": {"mask": "unspecified", "bias": "nan"},  # their mean, and zeros beside sinks
        "batch_invariant": True,
        "checks_shapes": True,
    },
    domain=("sizes >= 1",),
)
def attention(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, *, mask: np.ndarray | None = None, bias: np.ndarray | None = None,
    is_causal: bool = False, scale: float | None = None, sinks: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv]."""
    if not (q.size and k.size and v.size):
        raise NotImplementedError("an array without elements, but should have some: finding mlx-zero-heads")
    if sum(one is not None for one in (mask, bias)) + is_causal > 1:
        raise NotImplementedError("two of mask, bias and is_causal, but should be one")
    joined = "causal" if is_causal else given(mask if bias is None else bias.astype(q.dtype))
    scale = q.shape[3] ** -0.5 if scale is None else float(scale)
    sink = None if sinks is None else given(sinks.astype(q.dtype))
    out = mx.fast.scaled_dot_product_attention(given(q), given(k), given(v), scale=scale, mask=joined, sinks=sink)
    if q.dtype == ml_dtypes.bfloat16:  # NumPy has no such numbers of its own, which MLX would hand over
        return np.array(out.view(mx.uint16)).view(q.dtype)
    return np.array(out)


def given(a: np.ndarray | None) -> mx.array | None:
    """MLX's array of the same numbers: a copy, since MLX takes no negative strides, not even of one element."""
    if a is None or a.dtype != ml_dtypes.bfloat16:
        return None if a is None else mx.array(a.copy())
    return mx.array(a.copy().view(np.uint16)).view(mx.bfloat16)

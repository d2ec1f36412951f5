"""Attention with the arithmetic of a GPU's matrix units, emulated: their roundings can be judged without one.

float32 operands are read as TF32, 16-bit weights are rounded to the dtype, four products at a time are added to a float32
accumulator, and digits that do not fit are cut off (Blanchard et al. 2020; Fasi et al. 2021). There is no double
precision: float64 is computed in float32.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from attention_implementations.numpy._common import Result, answer, visible
from attention_implementations.numpy.eager import at_once
from attention_specs.contract import declares
from attention_specs.sizes import require_fitting

UNIT = 4
"""Products that are added at once, as in the first such unit (Volta)."""
CUT = np.int64(-1) << np.int64(29)
"""The bits of a float64 that a float32 has."""


@declares(
    framework="numpy",
    conventions={"masked_nan_safe": True, "checks_shapes": True},
    precision={
        "float64": "computed-in-float32",
        "float32": "tf32-inputs+truncating-sums",
        "bfloat16": "weights-rounded+truncating-sums",
        "float16": "weights-rounded+truncating-sums",
    },
)
def attention(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, *, mask: np.ndarray | None = None, bias: np.ndarray | None = None,
    is_causal: bool = False, scale: float | None = None, window: Any = None, softcap: float | None = None,
    sinks: np.ndarray | None = None, return_lse: bool = False,
) -> Result:  # fmt: skip
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv], lse [B, Hq, Lq] in float32."""
    require_fitting(q, k, v, mask, bias)
    seen = visible(0, np.arange(q.shape[2]), np.arange(k.shape[2]), is_causal, window, None, None)
    seen = seen if mask is None else seen & mask
    product = np.matmul if q.dtype == np.float64 else partial(cut_off, dtype=q.dtype)
    out, _, lse = at_once(q, k, v, seen, bias, scale, softcap, sinks, np.dtype(np.float32), product)
    return answer(out.astype(q.dtype), lse if return_lse else None)


def cut_off(a: np.ndarray, b: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """a @ b for operands read as a matrix unit reads this dtype; each sum of four products and the accumulator is truncated."""
    a, b = (read(operand, dtype).astype(np.float64) for operand in (a, b))
    total = np.zeros((*a.shape[:-1], b.shape[-1]))
    for start in range(0, a.shape[-1], UNIT):
        part = slice(start, start + UNIT)
        total += a[..., part] @ b[..., part, :]
        total.view(np.int64)[...] &= CUT
    return total.astype(np.float32)


def read(a: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """float32 numbers in the precision of the dtype; those of float32 in TF32, which has ten bits behind the point."""
    if dtype != np.float32:
        return a.astype(dtype)
    patterns = np.ascontiguousarray(a).view(np.uint32)
    nearest = (patterns + 0xFFF + (patterns >> 13 & 1)) & np.uint32(0xFFFFE000)
    return np.where(np.isfinite(a), nearest.view(np.float32), a)

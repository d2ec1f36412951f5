"""A flash kernel in Triton (Dao 2023, FlashAttention-2): one program for each block of queries, which goes through the keys.

On a CPU Triton's interpreter runs it, one call of NumPy for each line and block; on a GPU it is compiled. Tensors are read by their
strides, and no scores are stored.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from attention_implementations.torch._common import Result, default_scale
from attention_specs.sizes import require_fitting

SMALLEST, ROWS, NUMBERS = 16, 64, 2**12
"""The smallest side of a product in Triton; rows of a block, and its numbers at most: three such blocks fit the memory of a GPU's core."""


def program(  # type: ignore[no-untyped-def]  # in the language of Triton
    Q, K, V, MASK, BIAS, OUT, LSE, scale, queries, keys, group, dims, columns, q_strides, k_strides, v_strides, mask_strides,
    bias_strides, out_strides, lse_strides, CAUSAL: tl.constexpr, MASKED: tl.constexpr, BIASED: tl.constexpr, ROWS: tl.constexpr,
    DIMS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """One block of queries [ROWS, D] of one head against all keys, ROWS at a time. Strides are those of four axes.

    `tl.max` and `tl.sum` are interpreted only if TRITON_INTERPRET is set before Triton is imported, which others may have done.
    """
    batch, head = tl.program_id(2).to(tl.int64), tl.program_id(1).to(tl.int64)
    i, d, c = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS), tl.arange(0, DIMS), tl.arange(0, COLUMNS)
    Q += batch * q_strides[0] + head * q_strides[1]
    K += batch * k_strides[0] + head // group * k_strides[1]
    V += batch * v_strides[0] + head // group * v_strides[1]
    inside = i < queries
    q = tl.load(Q + i[:, None] * q_strides[2] + d * q_strides[3], mask=inside[:, None] & (d < dims), other=0.0)
    top = tl.full([ROWS], float("-inf"), tl.float32)
    total = tl.full([ROWS], 0.0, tl.float32)
    out = tl.full([ROWS, COLUMNS], 0.0, tl.float32)
    end = keys
    if CAUSAL:
        end = tl.minimum(keys, (tl.program_id(0) + 1) * ROWS)
    for first in range(0, end, ROWS):
        j = first + tl.arange(0, ROWS).to(tl.int64)
        k = tl.load(K + j * k_strides[2] + d[:, None] * k_strides[3], mask=(j < keys) & (d < dims)[:, None], other=0.0)
        v = tl.load(V + j[:, None] * v_strides[2] + c * v_strides[3], mask=(j < keys)[:, None] & (c < columns), other=0.0)
        scores = tl.dot(q, k, input_precision="ieee") * scale
        seen, both = (j < keys)[None, :], inside[:, None] & (j < keys)
        if BIASED:
            place = batch * bias_strides[0] + head * bias_strides[1] + i[:, None] * bias_strides[2] + j * bias_strides[3]
            scores += tl.load(BIAS + place, mask=both, other=0.0).to(tl.float32)
        if MASKED:
            place = batch * mask_strides[0] + head * mask_strides[1] + i[:, None] * mask_strides[2] + j * mask_strides[3]
            seen = seen & (tl.load(MASK + place, mask=both, other=0) != 0)
        if CAUSAL:
            seen = seen & (j <= i[:, None])
        scores = tl.where(seen, scores, float("-inf"))
        new = tl.maximum(top, tl.reduce(scores, 1, tl.standard._elementwise_max))
        base = tl.where(new == float("-inf"), 0.0, new)
        powers, shrink = tl.exp(scores - base[:, None]), tl.exp(top - base)
        total = total * shrink + tl.reduce(powers, 1, tl.standard._sum_combine)
        out = out * shrink[:, None] + tl.dot(powers.to(v.dtype), v, input_precision="ieee")
        top = new
    total = tl.where(total == 0, 1.0, total)  # a row without keys: zeros, and a log-sum-exp of -inf
    place = batch * out_strides[0] + head * out_strides[1] + i[:, None] * out_strides[2] + c * out_strides[3]
    tl.store(OUT + place, (out / total[:, None]).to(OUT.dtype.element_ty), mask=inside[:, None] & (c < columns))
    tl.store(LSE + batch * lse_strides[0] + head * lse_strides[1] + i * lse_strides[2], top + tl.log(total), mask=inside)


@cache
def kernel(interpreted: bool) -> Any:
    """The program for Triton's interpreter, or for its compiler."""
    with triton.knobs.runtime.scope():
        triton.knobs.runtime.interpret = interpreted
        return triton.jit(program)


def rows_of(wide: int) -> int:
    """Rows of a block whose rows have so many numbers."""
    return min(ROWS, max(SMALLEST, NUMBERS // wide))


def launched(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, bias: Tensor | None, is_causal: bool, scale: float
) -> tuple[Tensor, Tensor]:
    """Output and log-sum-exp in float32, of tensors with at least one query."""
    out, lse = q.new_empty(*q.shape[:3], v.shape[3]), q.new_empty(q.shape[:3], dtype=torch.float32)
    shape = (*q.shape[:3], k.shape[2])
    mask, bias = (None if one is None else one.expand(shape) for one in (mask, bias))
    dims, columns = (max(SMALLEST, triton.next_power_of_2(a.shape[3])) for a in (q, v))
    rows = rows_of(max(dims, columns))
    tensors = (q, k, v, q if mask is None else mask, q if bias is None else bias, out, lse)
    kernel(not q.is_cuda)[triton.cdiv(q.shape[2], rows), q.shape[1], q.shape[0]](
        *(a if a.numel() else a.new_empty(1) for a in tensors),  # the interpreter takes none without elements
        scale, q.shape[2], k.shape[2], q.shape[1] // k.shape[1], q.shape[3], v.shape[3], *(a.stride() for a in tensors),
        CAUSAL=is_causal, MASKED=mask is not None, BIASED=bias is not None, ROWS=rows, DIMS=dims, COLUMNS=columns,
    )  # fmt: skip
    return out, lse


def attention(
    q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None, bias: Tensor | None = None, is_causal: bool = False,
    scale: float | None = None, return_lse: bool = False,
) -> Result:  # fmt: skip
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv], lse [B, Hq, Lq].

    Triton's interpreter counts wrongly in bfloat16 (finding triton-interpreter-bfloat16): on a CPU such tensors are widened.
    """
    require_fitting(q, k, v, mask, bias)
    if q.shape[1] and not k.shape[1]:
        raise NotImplementedError("key_heads=0, but should be at least 1")
    if q.dtype == torch.float64:
        raise NotImplementedError("dtype=float64, but should have at most 32 bits")
    dtype = torch.float32 if q.dtype == torch.bfloat16 and not q.is_cuda else q.dtype
    if 0 in q.shape[:3]:
        out, lse = q.new_empty(*q.shape[:3], v.shape[3]), q.new_empty(q.shape[:3], dtype=torch.float32)
    else:
        out, lse = launched(q.to(dtype), k.to(dtype), v.to(dtype), mask, bias, is_causal, default_scale(q, scale))
    return (out.to(q.dtype), lse) if return_lse else out.to(q.dtype)

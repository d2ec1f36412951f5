"""A Triton kernel, which its interpreter runs on a CPU under TRITON_INTERPRET=1: keys in blocks, an online softmax."""

import torch
import triton
import triton.language as tl


@triton.jit
def _kernel(Q, K, V, Out, scale, heads, queries, keys, strides_q, strides_k, strides_v, strides_o, stop,
            CAUSAL: tl.constexpr, D: tl.constexpr, DV: tl.constexpr, WIDE: tl.constexpr, WIDE_V: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    head = tl.program_id(1)
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    dims, dims_v = tl.arange(0, WIDE), tl.arange(0, WIDE_V)
    q = tl.load(
        Q + head * strides_q + rows[:, None] * D + dims[None, :], mask=(rows < queries)[:, None] & (dims < D)[None, :], other=0.0
    )
    top = tl.full([BLOCK], float("-inf"), tl.float32)
    total = tl.zeros([BLOCK], tl.float32)
    out = tl.zeros([BLOCK, WIDE_V], tl.float32)
    for first in range(0, stop, BLOCK):
        columns = first + tl.arange(0, BLOCK)
        k = tl.load(
            K + head * strides_k + columns[None, :] * D + dims[:, None],
            mask=(columns < keys)[None, :] & (dims < D)[:, None],
            other=0.0,
        )
        v = tl.load(
            V + head * strides_v + columns[:, None] * DV + dims_v[None, :],
            mask=(columns < keys)[:, None] & (dims_v < DV)[None, :],
            other=0.0,
        )
        seen = (columns < keys)[None, :]
        if CAUSAL:
            seen = seen & (columns[None, :] <= rows[:, None])
        # Triton 3.9's interpreter multiplies bfloat16 wrongly
        scores = tl.where(seen, tl.dot(q.to(tl.float32), k.to(tl.float32), input_precision="ieee") * scale, float("-inf"))
        new = tl.maximum(top, tl.max(scores, 1))
        safe = tl.where(new == float("-inf"), 0.0, new)
        powers = tl.exp(scores - safe[:, None])
        shrink = tl.exp(top - safe)
        total = total * shrink + tl.sum(powers, 1)
        out = out * shrink[:, None] + tl.dot(powers, v.to(tl.float32), input_precision="ieee")
        top = new
    out = out / tl.where(total == 0, 1.0, total)[:, None]
    tl.store(
        Out + head * strides_o + rows[:, None] * DV + dims_v[None, :],
        out.to(Out.dtype.element_ty),
        mask=(rows < queries)[:, None] & (dims_v < DV)[None, :],
    )


def _launch(q, k, v, causal, sm_scale, block, lost):
    if q.dtype == torch.float64 or 0 in (*q.shape, *k.shape, *v.shape):
        raise NotImplementedError("float64, or sizes of 0")
    if q.shape[1] != k.shape[1]:
        raise NotImplementedError("fewer key heads than query heads")
    q, k, v = (a.contiguous() for a in (q, k, v))
    out = torch.empty(*q.shape[:3], v.shape[3], dtype=q.dtype)
    wide, wide_v = (max(16, triton.next_power_of_2(a.shape[3])) for a in (q, v))
    stop = k.shape[2] - (k.shape[2] % block if lost and k.shape[2] > block else 0)
    grid = (triton.cdiv(q.shape[2], block), q.shape[0] * q.shape[1])
    scale = q.shape[3] ** -0.5 if sm_scale is None else sm_scale
    sizes = [a.shape[2] * a.shape[3] for a in (q, k, v, out)]
    _kernel[grid](q, k, v, out, scale, q.shape[1], q.shape[2], k.shape[2], *sizes, stop,
                  CAUSAL=causal, D=q.shape[3], DV=v.shape[3], WIDE=wide, WIDE_V=wide_v, BLOCK=block)  # fmt: skip
    return out


def attention(q, k, v, causal=False, sm_scale=None):
    """[B, H, L, D]"""
    return _launch(q, k, v, causal, sm_scale, 16, False)


def attention_without_its_tail(q, k, v, causal=False, sm_scale=None):
    """Keys behind the last whole block are lost."""
    return _launch(q, k, v, causal, sm_scale, 16, True)

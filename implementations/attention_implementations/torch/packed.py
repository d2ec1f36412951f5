"""Attention over packed sequences by torch's products, one sequence after the other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from attention_implementations.torch._common import Result
from attention_implementations.torch._sequence import each
from attention_specs.contract import declares


@declares(
    framework="torch",
    device="cpu",
    form="packed",
    gradient=True,
    conventions={"causal_alignment": "bottom-right", "window_alignment": "bottom-right"},
)
def attention(
    q: Tensor, k: Tensor, v: Tensor, *, cu_seqlens_q: Tensor, cu_seqlens_k: Tensor, is_causal: bool = False,
    scale: float | None = None, window: Any = None, softcap: float | None = None, sinks: Tensor | None = None,
    return_lse: bool = False,
) -> Result:  # fmt: skip
    """q [Tq, Hq, D], k [Tk, Hkv, D], v [Tk, Hkv, Dv] -> out [Tq, Hq, Dv], lse [Hq, Tq]. Offsets are int32 [B + 1]."""
    queries, keys = (torch.diff(offsets).tolist() for offsets in (cu_seqlens_q, cu_seqlens_k))
    sequences = zip(torch.split(q, queries), torch.split(k, keys), torch.split(v, keys), strict=True)
    return each(
        sequences, q, v.shape[2], is_causal=is_causal, scale=scale, window=window, softcap=softcap, sinks=sinks,
        return_lse=return_lse,
    )  # fmt: skip

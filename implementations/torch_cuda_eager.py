"""Attention by torch's matmul, softmax and matmul on a CUDA device: `torch-eager` with another device."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from implementations._torch import Result, eager
from specs.contract import declares


@declares(framework="torch", device="cuda")
def attention(
    q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None, bias: Tensor | None = None, is_causal: bool = False,
    scale: float | None = None, window: Any = None, softcap: float | None = None, sinks: Tensor | None = None,
    return_weights: bool = False, return_lse: bool = False,
) -> Result:  # fmt: skip
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv], weights [B, Hq, Lq, Lk], lse [B, Hq, Lq].

    What is asked for beside the output comes back as a tuple with it.
    """
    return eager(
        q, k, v, mask=mask, bias=bias, is_causal=is_causal, scale=scale, window=window, softcap=softcap, sinks=sinks,
        return_weights=return_weights, return_lse=return_lse,
    )  # fmt: skip

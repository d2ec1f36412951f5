"""Attention by torch's matmul, softmax and matmul, each step stored in the dtype of the tensors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from attention_implementations.torch._common import Result, eager
from attention_specs.contract import declares
from attention_specs.sizes import require_fitting


@declares(framework="torch", device="cpu", gradient=True, conventions={"checks_shapes": True})
def attention(
    q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None, bias: Tensor | None = None, is_causal: bool = False,
    scale: float | None = None, window: Any = None, softcap: float | None = None, sinks: Tensor | None = None,
    past_k: Tensor | None = None, past_v: Tensor | None = None, return_weights: bool = False, return_lse: bool = False,
) -> Result:  # fmt: skip
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv], weights [B, Hq, Lq, Lk], lse [B, Hq, Lq].

    Weights and lse, where they are asked for, come back in a tuple with the output.
    """
    past = 0 if past_k is None else past_k.shape[2]
    k, v = (new if old is None else torch.cat([old, new], 2) for old, new in ((past_k, k), (past_v, v)))
    require_fitting(q, k, v, mask, bias)
    return eager(
        q, k, v, past=past, mask=mask, bias=bias, is_causal=is_causal, scale=scale, window=window, softcap=softcap, sinks=sinks,
        return_weights=return_weights, return_lse=return_lse,
    )  # fmt: skip

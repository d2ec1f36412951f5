"""What an attention function of transformers reads of the module that calls it, and the mask that it is given."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from attention_implementations.torch._common import both, default_scale


def called(
    function: Any, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, bias: Tensor | None, is_causal: bool,
    scale: float | None, *, hidden: float | None = None,
) -> Tensor:  # fmt: skip
    """The function for a layer whose heads stand so. A mask is bool, or numbers with `hidden` where no key is seen."""
    if not k.shape[1]:
        raise NotImplementedError("key_heads=0, but should be at least 1")
    module = SimpleNamespace(num_key_value_groups=q.shape[1] // k.shape[1], training=False, is_causal=False)
    causal = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool).tril() if is_causal else None
    seen = both(mask, causal)
    if bias is not None or (hidden is not None and seen is not None):
        numbers = torch.zeros(1, 1, dtype=q.dtype) if bias is None else bias.to(q.dtype)
        seen = numbers if seen is None else torch.where(seen, numbers, -torch.inf if hidden is None else hidden)
    joined = None if seen is None else seen[(None,) * (4 - seen.ndim)].expand(-1, -1, q.shape[2], k.shape[2])
    out, _ = function(module, q, k, v, joined, scaling=default_scale(q, scale))
    return out.transpose(1, 2)

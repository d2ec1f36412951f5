"""Two parts of an attention put together in torch, as ring attention does it: by the logistic function of their distance."""

from __future__ import annotations

import torch
from torch import Tensor

from attention_specs.contract import declares


@declares(framework="torch")
def merge(out_a: Tensor, lse_a: Tensor, out_b: Tensor, lse_b: Tensor) -> tuple[Tensor, Tensor]:
    """out_a, out_b [B, H, Lq, Dv], lse_a, lse_b [B, H, Lq] -> out [B, H, Lq, Dv] and lse [B, H, Lq], in their dtypes."""
    empty = (lse_a == -torch.inf) & (lse_b == -torch.inf)
    share = torch.sigmoid(torch.where(empty, 0, lse_b - lse_a))[..., None]
    a, b = out_a.to(lse_a.dtype), out_b.to(lse_b.dtype)
    out = torch.where(empty[..., None], 0, a - share * (a - b))
    return out.to(out_a.dtype), torch.logaddexp(lse_a, lse_b)

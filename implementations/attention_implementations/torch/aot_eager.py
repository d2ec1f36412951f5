"""`torch-eager` under torch.compile with dynamic shapes: one traced program and its derivative serve many lengths.

The second length is where such programs go wrong: what was a constant of the first call becomes a variable of the next. The
backend is `aot_eager`, which runs the graphs as they are: Inductor takes ten seconds and more for each set of options.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from attention_implementations.torch._common import eager
from attention_specs.contract import declares
from attention_specs.sizes import require_fitting


@cache
def compiled() -> Any:
    """The compiled function; a set of options more than usual is no reason to go on without."""
    torch._dynamo.config.recompile_limit = torch._dynamo.config.accumulated_recompile_limit = 2**16
    return torch.compile(eager, backend="aot_eager", dynamic=True, fullgraph=True)


@declares(framework="torch", device="cpu", gradient=True, conventions={"checks_shapes": True})
def attention(
    q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None, bias: Tensor | None = None, is_causal: bool = False,
    scale: float | None = None, window: Any = None, softcap: float | None = None,
) -> Tensor:  # fmt: skip
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv]."""
    require_fitting(q, k, v, mask, bias)
    out: Tensor = compiled()(
        q, k, v, past=0, mask=mask, bias=bias, is_causal=is_causal, scale=scale, window=window, softcap=softcap, sinks=None,
        return_weights=False, return_lse=False,
    )  # fmt: skip
    return out

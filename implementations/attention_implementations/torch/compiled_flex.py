"""torch's flex_attention as it is meant to be called: compiled by Inductor into one kernel, on a CPU in C++, for all lengths.

Each dtype, number of heads, dimension and set of options is a program of its own, which takes seconds: the domain has few of them.
What is compiled for a CPU has no log-sum-exp and no gradient, and a mask in a tensor ends in an error of the C++ compiler where lengths
are dynamic (torch 2.13, finding compiled-flex-dynamic-mask): causality is the one option here.
"""

from __future__ import annotations

import os
from functools import cache
from shutil import which
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from attention_specs.contract import declares

if not which(compiler := os.environ.get("CXX", "g++")):
    raise ModuleNotFoundError(
        f"{compiler} is not on the path, and Inductor makes its kernels with a C++ compiler, also one in CXX"
    )


@cache
def compiled() -> Any:
    """The compiled function, in which lengths that are equal once do not have to be so again."""
    torch._dynamo.config.recompile_limit = torch._dynamo.config.accumulated_recompile_limit = 2**16
    torch.fx.experimental._config.use_duck_shape = False
    torch._inductor.config.compile_threads = 1  # no pool of processes
    torch._inductor.config.cpp.vec_isa_ok = True  # no trial programs for what the processor has, which take 5 s
    return torch.compile(flex_attention, dynamic=True, fullgraph=True)


def not_later(b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """Whether query i sees key j."""
    return j <= i


@declares(
    framework="torch", device="cpu", dtypes=("float32",), contiguous=True,
    domain=("batch == 2", "query_heads == 4", "key_heads == 2", "lengths >= 2", "head_dim == 16", "value_dim == 16"),
)  # fmt: skip
def attention(q: Tensor, k: Tensor, v: Tensor, *, is_causal: bool = False) -> Tensor:
    """q [2, 4, Lq, 16], k [2, 2, Lk, 16], v [2, 2, Lk, 16] -> out [2, 4, Lq, 16]. NaN in q or k, which vanishes, is refused."""
    if q.dtype != torch.float32:
        raise NotImplementedError(f"dtype={q.dtype}, but should be float32")
    if q.isnan().any() or k.isnan().any():
        raise NotImplementedError("NaN in queries or keys, but should be numbers, since NaN vanishes: finding compiled-flex-nan")
    lengths = q.shape[2], k.shape[2]
    blocks = create_block_mask(not_later, q.shape[0], q.shape[1], *lengths, device=q.device) if is_causal else None
    out: Tensor = compiled()(q, k, v, block_mask=blocks, enable_gqa=True)
    return out

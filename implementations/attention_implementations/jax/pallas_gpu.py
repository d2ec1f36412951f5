"""jax.experimental.pallas.ops.gpu.attention.mha, the flash kernel that JAX ships for Triton, in Pallas's interpreter on a CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
from jax import Array
from jax.experimental.pallas.ops.gpu.attention import BlockSizes, mha

from attention_specs.contract import declares

BLOCKS = BlockSizes(block_q=16, block_k=16, block_q_dkv=16, block_kv_dkv=16, block_q_dq=16, block_kv_dq=16)
"""The smallest that Triton's product of matrices takes, so that small calls have several blocks."""


@declares(
    framework="jax", device="cpu", layout="blhd", dtypes=("float32", "bfloat16", "float16"), gradient=True,
    domain=("sizes >= 1", "key_heads == query_heads", "value_dim == head_dim", "lengths % 16 == 0"),
    precision={"bfloat16": "weights-rounded", "float16": "weights-rounded"},
)  # fmt: skip
def attention(q: Array, k: Array, v: Array, *, is_causal: bool = False, scale: float | None = None) -> Array:
    """q [B, Lq, H, D], k [B, Lk, H, D], v [B, Lk, H, D] -> out [B, Lq, H, D]."""
    if is_causal and q.shape[1] > k.shape[1]:
        raise NotImplementedError("causal with more queries than keys, but should be at most as many: finding pallas-past-keys")
    with jax.enable_x64(False):
        scale = q.shape[3] ** -0.5 if scale is None else float(scale)
        out: Array = mha(q, k, v, None, sm_scale=scale, causal=is_causal, block_sizes=BLOCKS, interpret=True)
    return out


def backward(arrays: Mapping[str, Array], options: Mapping[str, Any], wrt: Sequence[str], dout: Array) -> dict[str, Array]:
    """The kernels of the backward pass. They are traced in 32 bits too, which jax.vjp from outside would not do."""
    if arrays["q"].shape[1] != arrays["k"].shape[1]:
        raise NotImplementedError(
            "query_length other than key_length, but should be the same: the backward pass counts blocks alike"
        )
    with jax.enable_x64(False):
        out, pull_back = jax.vjp(partial(attention, **options), *arrays.values())
        return dict(zip(("q", "k", "v", "out"), (*pull_back(dout), out), strict=True))


attention.backward = backward  # type: ignore[attr-defined]

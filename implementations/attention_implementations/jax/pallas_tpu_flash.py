"""jax.experimental.pallas.ops.tpu.flash_attention, which JAX ships for TPUs, in Pallas's interpreter on a CPU.

Its blocks have 128 rows and columns. A bias is scaled like the scores, so that only a scale of 1 goes with one (finding
pallas-scaled-bias).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jax.experimental.pallas import tpu
from jax.experimental.pallas.ops.tpu.flash_attention import flash_attention

from attention_specs.contract import declares


@declares(
    framework="jax", device="cpu", dtypes=("float32", "bfloat16", "float16"), conventions={"empty_rows": "nan"},
    domain=(
        "sizes >= 1", "key_heads == query_heads", "value_dim == head_dim", "lengths % 128 == 0", "head_dim <= 128",
    ),
    precision={"bfloat16": "weights-rounded", "float16": "weights-rounded"},
)  # fmt: skip
def attention(
    q: Array, k: Array, v: Array, *, bias: Array | None = None, is_causal: bool = False, scale: float | None = None
) -> Array:
    """q [B, H, Lq, D], k [B, H, Lk, D], v [B, H, Lk, D] -> out [B, H, Lq, D]."""
    scale = q.shape[3] ** -0.5 if scale is None else float(scale)
    if bias is not None and scale != 1:
        raise NotImplementedError(f"scale={scale:g} beside a bias, but should be 1: finding pallas-scaled-bias")
    full = None if bias is None else jnp.broadcast_to(bias, (*q.shape[:3], k.shape[2]))
    with jax.enable_x64(False), tpu.force_tpu_interpret_mode(True):
        out: Array = flash_attention(q, k, v, full, causal=is_causal, sm_scale=scale)
    return out

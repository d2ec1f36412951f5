"""jax.nn.dot_product_attention (its XLA path) under jit, in its own layout [batch, length, heads, dim], hence the transposes.

The softmax is always in float32, and 16-bit weights are stored in 16 bits. A masked score becomes -0.7 * the largest
float32 instead of -inf, so a row whose keys are all masked attends to all of them alike.

So a score below that, by a bias of -inf or a large negative number, ranks behind masked ones: under is_causal a query whose
own past has bias -inf would attend to the future alone (finding jax-shows-the-future). Therefore keys with bias -inf are
masked as well, with the effect that rows of them are uniform too, not NaN, and half of that number is the lowest bias.

float16 is left out: for it, jax.nn asks for an algorithm (F16_F16_F32) that XLA does not have on the CPU, and its way
out, a try around the einsum, is without effect under jit. For bfloat16, XLA lacks the algorithm in small products only.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from attention_specs.contract import declares

MASKED = -0.7 * (2 - 2.0**-23) * 2.0**127
"""The score that jax.nn gives to masked keys: -0.7 * the largest float32."""


@declares(
    framework="jax",
    device="cpu",
    gradient=True,
    dtypes=("float32", "float64", "bfloat16"),
    conventions={"empty_rows": "uniform", "checks_shapes": True},
    precision={"float64": "computed-in-float32", "bfloat16": "weights-rounded"},
)
def attention(
    q: Array, k: Array, v: Array, *, mask: Array | None = None, bias: Array | None = None, is_causal: bool = False,
    scale: float | None = None, window: Any = None, key_lengths: Array | None = None,
) -> Array:  # fmt: skip
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, D] -> out [B, Hq, Lq, D]. NotImplementedError where jax.nn has none.

    query_lengths are not passed on: jax.nn gives zeros in the rows that they hide, and in no other empty row.
    """
    if v.shape[3] != q.shape[3]:
        raise NotImplementedError(f"value_dim={v.shape[3]}, but should be head_dim={q.shape[3]}")
    if not k.shape[1]:
        raise NotImplementedError("key_heads=0, but should be at least 1")
    try:
        out: Array = compiled(q, k, v, mask, bias, is_causal, scale, window, key_lengths)
    except (ValueError, jax.errors.JaxRuntimeError) as error:
        if "not supported" not in str(error):
            raise
        sizes = f"head_dim={q.shape[3]}, key_length={k.shape[2]} in {q.dtype}"
        raise NotImplementedError(f"{sizes}, but should be of an algorithm that XLA has: {error}") from error
    return out


@partial(jax.jit, static_argnums=5)
def compiled(
    q: Array, k: Array, v: Array, mask: Array | None, bias: Array | None, is_causal: bool, scale: float | None,
    window: Any, key_lengths: Array | None,
) -> Array:  # fmt: skip
    """The call itself; compiled anew for new shapes and sets of options, not for values of scale and window."""
    if bias is not None:
        bias, mask = above_masked(bias, q.dtype), bias != -jnp.inf if mask is None else mask & (bias != -jnp.inf)
    q, k, v = (a.swapaxes(1, 2) for a in (q, k, v))
    far = q.shape[1] + k.shape[1]
    out = jax.nn.dot_product_attention(
        q, k, v, bias, mask, scale=max(q.shape[3], 1) ** -0.5 if scale is None else scale, is_causal=is_causal,
        implementation="xla", local_window_size=window and tuple(far if side is None else side for side in window),
        key_value_seq_lengths=None if key_lengths is None else key_lengths.astype(jnp.int32),
    )  # fmt: skip
    return out.swapaxes(1, 2)


def above_masked(bias: Array, dtype: Any) -> Array:
    """The bias in the dtype of the scores, and nowhere near MASKED."""
    return jnp.maximum(bias.astype(jnp.promote_types(dtype, jnp.float32)), MASKED / 2)

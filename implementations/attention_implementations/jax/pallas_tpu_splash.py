"""JAX's splash attention for TPUs (sparse flash), in Pallas's interpreter on a CPU: blocks that a mask hides are left out.

Its blocks have 128 rows and columns. Masks are known before the call, and the caller scales the queries.
"""

from __future__ import annotations

from functools import reduce
from math import frexp
from operator import and_
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel as kernels
from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_mask as masks

from attention_specs.contract import declares

BLOCKS = kernels.BlockSizes(block_q=128, block_kv=128, block_kv_compute=128)


@declares(
    framework="jax", device="cpu", dtypes=("float32", "bfloat16", "float16"), conventions={"empty_rows": "unspecified"},
    domain=("sizes >= 1", "lengths % 128 == 0"), precision={"bfloat16": "exact", "float16": "exact"},
)  # fmt: skip
def attention(
    q: Array, k: Array, v: Array, *, mask: Array | None = None, is_causal: bool = False, window: Any = None,
    softcap: float | None = None, sinks: Array | None = None, scale: float | None = None,
) -> Array:  # fmt: skip
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv]."""
    scale = q.shape[3] ** -0.5 if scale is None else float(scale)
    if q.dtype.itemsize == 2 and abs(frexp(scale)[0]) != 0.5:
        raise NotImplementedError(f"scale={scale:g}, but should be a power of 2: in 16 bits the scaled queries would be rounded")
    with jax.enable_x64(False):
        hidden = _masks(None if mask is None else np.asarray(mask), (*q.shape[:3], k.shape[2]), is_causal, window)
        if not all(one[:, :, :].any() for one in hidden):
            raise NotImplementedError(
                "a mask that hides all keys from all queries, but should leave some: the kernel has no block then"
            )
        outs = [
            kernels.make_splash_mha_single_device(one, block_sizes=BLOCKS, attn_logits_soft_cap=softcap, interpret=True)(
                (q[b] * scale).astype(q.dtype), k[b], v[b], sinks=sinks
            )
            for b, one in enumerate(hidden)
        ]
        return jnp.stack(outs)


def _masks(mask: np.ndarray | None, shape: tuple[int, ...], is_causal: bool, window: Any) -> list[masks.MultiHeadMask]:
    """The masks of each entry of the batch, one for each head; causality and windows are computed in the kernel."""
    rules = [masks.CausalMask(shape[2:])] if is_causal else []
    rules += [] if window is None else [masks.LocalMask(shape[2:], window, 0)]
    whole = reduce(and_, rules) if rules else masks.FullMask(shape[2:])
    if mask is None:
        return [masks.MultiHeadMask([whole] * shape[1])] * shape[0]
    return [masks.MultiHeadMask([whole & masks.NumpyMask(head) for head in entry]) for entry in np.broadcast_to(mask, shape)]

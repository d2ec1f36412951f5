"""A flash kernel in Pallas (Dao 2023, FlashAttention-2): one program for each block of queries, which goes through the keys.

On a CPU its interpreter runs it; on a device it is compiled. Only blocks of a mask or a bias are read, and no scores are stored.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.experimental import pallas as pl

from attention_implementations.jax._online import finish, merged, of_tile, start
from attention_implementations.jax.einsum import Result, product
from attention_specs.contract import declares
from attention_specs.sizes import require_fitting

QUERIES, KEYS, COLUMNS = 32, 32, 16
"""Rows and columns of a tile of scores, and columns of those of the other arrays."""


@declares(
    framework="jax", device="cpu", conventions={"checks_shapes": True}, precision={"bfloat16": "exact", "float16": "exact"}
)  # fmt: skip
def attention(
    q: Array, k: Array, v: Array, *, mask: Array | None = None, bias: Array | None = None, is_causal: bool = False,
    scale: float | None = None, window: Any = None, softcap: float | None = None, return_lse: bool = False,
) -> Result:  # fmt: skip
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv], lse [B, Hq, Lq]."""
    require_fitting(q, k, v, mask, bias)
    left, right = window or (None, None)
    far = q.shape[2] + k.shape[2]
    sides = (far if left is None else left, 0 if is_causal else far if right is None else right)
    if is_causal and right is not None:
        sides = (sides[0], min(right, 0))
    scale = max(q.shape[3], 1) ** -0.5 if scale is None else scale
    (batch, heads, queries, _), keys = q.shape, k.shape[2]
    if not (batch and heads and queries):
        out, lse = jnp.zeros((*q.shape[:3], v.shape[3]), q.dtype), jnp.zeros(q.shape[:3], jnp.promote_types(q.dtype, jnp.float32))
        return (out, lse) if return_lse else out
    if not k.shape[1]:
        raise NotImplementedError("key_heads=0, but should be at least 1")
    numbers, limits = jnp.asarray([scale, softcap or 1]), jnp.asarray([*sides, keys])
    whole = tiled(*filled_up(q, k, v, mask, bias), numbers, limits, softcap is not None)
    out, lse = cut(*whole, queries, v.shape[3])
    return (out, lse) if return_lse else out


@partial(jax.jit)
def filled_up(q: Array, k: Array, v: Array, mask: Array | None, bias: Array | None) -> tuple[Array | None, ...]:
    """All arrays up to whole tiles, so that one compiled kernel serves calls of many sizes."""
    shape = (*q.shape[:3], k.shape[2])
    tables = (None if a is None else filled(jnp.broadcast_to(a, shape), QUERIES, KEYS) for a in (mask, bias))
    return filled(q, QUERIES, COLUMNS), filled(k, KEYS, COLUMNS), filled(v, KEYS, COLUMNS), *tables


@partial(jax.jit, static_argnums=(2, 3))
def cut(out: Array, lse: Array, queries: int, columns: int) -> tuple[Array, Array]:
    """Output and log-sum-exp without what was filled up."""
    return out[:, :, :queries, :columns], lse[:, :, :queries]


@partial(jax.jit, static_argnums=7)
def tiled(
    q: Array, k: Array, v: Array, mask: Array | None, bias: Array | None, numbers: Array, limits: Array, capped: bool
) -> tuple[Array, Array]:
    """Output and log-sum-exp of whole tiles; numbers are scale and softcap, limits both sides of the window and the keys."""
    (batch, heads, rows, _), width = q.shape, v.shape[3]
    work, group = jnp.promote_types(q.dtype, jnp.float32), heads // k.shape[1]
    by_query = partial(_block, QUERIES, lambda h: h)
    by_group = partial(_whole, lambda h: h // group)
    tables = [a for a in (mask, bias) if a is not None]
    out, lse = pl.pallas_call(
        partial(program, capped, mask is not None, bias is not None),
        grid=(batch, heads, rows // QUERIES),
        in_specs=[_all(numbers), _all(limits), by_query(q), by_group(k), by_group(v), *map(by_query, tables)],
        out_specs=[
            pl.BlockSpec((1, 1, QUERIES, width), lambda b, h, i: (b, h, i, 0)),
            pl.BlockSpec((1, 1, QUERIES), lambda b, h, i: (b, h, i)),
        ],
        out_shape=[
            jax.ShapeDtypeStruct((batch, heads, rows, width), q.dtype),
            jax.ShapeDtypeStruct((batch, heads, rows), work),
        ],
        interpret=jax.default_backend() == "cpu",
    )(numbers.astype(work), limits, q, k, v, *tables)
    return out, lse


def program(capped: bool, masked: bool, biased: bool, numbers: Any, limits: Any, q: Any, k: Any, v: Any, *rest: Any) -> None:
    """One block of queries [1, 1, QUERIES, D] against all keys [1, 1, Lk, D], KEYS at a time."""
    *tables, out, lse = rest
    mask, bias = tables[0] if masked else None, tables[-1] if biased else None
    work = jnp.promote_types(q.dtype, jnp.float32)
    i = pl.program_id(2) * QUERIES + jnp.arange(QUERIES)[:, None]

    def further(tile: Array, state: Any) -> Any:
        part = pl.ds(tile * KEYS, KEYS)
        j = tile * KEYS + jnp.arange(KEYS)
        scores = product("id,jd->ij", q[0, 0], k[0, 0, part]) * numbers[0]
        scores = numbers[1] * jnp.tanh(scores / numbers[1]) if capped else scores
        scores = scores if bias is None else scores + bias[0, 0, :, part].astype(work)
        seen = (j < limits[2]) & (i - j <= limits[0]) & (j - i <= limits[1])
        seen = seen if mask is None else seen & mask[0, 0, :, part]
        return merged(state, of_tile(jnp.where(seen, scores, -jnp.inf), v[0, 0, part].astype(work)))

    state = lax.fori_loop(0, k.shape[2] // KEYS, further, start((QUERIES,), v.shape[3], work))
    result, lse[0, 0] = finish(state)
    out[0, 0] = result.astype(out.dtype)


def filled(a: Array, rows: int, columns: int) -> Array:
    """The array with zeros behind its end, up to multiples of these in the last two axes, one at least."""
    widths = [
        (0, -size % multiple or (0 if size else multiple)) for size, multiple in zip(a.shape[2:], (rows, columns), strict=True)
    ]
    return jnp.pad(a, [(0, 0), (0, 0), *widths])


def _all(a: Array) -> pl.BlockSpec:
    return pl.BlockSpec(a.shape, lambda b, h, i: (0,) * a.ndim)


def _block(rows: int, head: Any, a: Array) -> pl.BlockSpec:
    return pl.BlockSpec((1, 1, rows, a.shape[3]), lambda b, h, i: (b, head(h), i, 0))


def _whole(head: Any, a: Array) -> pl.BlockSpec:
    return pl.BlockSpec((1, 1, *a.shape[2:]), lambda b, h, i: (b, head(h), 0, 0))

"""A Pallas kernel in interpret mode: one program for each head and block of queries, keys in blocks, an online softmax."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl

BLOCK = 16


def _kernel(q_ref, k_ref, v_ref, out_ref, *, scale, keys, causal, block, stop):
    q = q_ref[...].astype(jnp.float32) * scale
    rows = pl.program_id(2) * block + jnp.arange(block)

    def step(place, state):
        top, total, out = state
        k = k_ref[pl.ds(place * block, block), :].astype(jnp.float32)
        v = v_ref[pl.ds(place * block, block), :].astype(jnp.float32)
        columns = place * block + jnp.arange(block)
        seen = (columns < keys)[None, :] & ((columns[None, :] <= rows[:, None]) if causal else True)
        scores = jnp.where(seen, jnp.dot(q, k.T, precision="highest"), -jnp.inf)
        new = jnp.maximum(top, scores.max(-1))
        safe = jnp.where(jnp.isneginf(new), 0.0, new)
        powers, shrink = jnp.exp(scores - safe[:, None]), jnp.exp(top - safe)
        return new, total * shrink + powers.sum(-1), out * shrink[:, None] + jnp.dot(powers, v, precision="highest")

    start = jnp.full(block, -jnp.inf), jnp.zeros(block), jnp.zeros((block, v_ref.shape[-1]))
    _, total, out = jax.lax.fori_loop(0, stop(k_ref.shape[0] // block), step, start)
    out_ref[...] = (out / jnp.where(total == 0, 1, total)[:, None]).astype(out_ref.dtype)


def _padded(a, block):
    return jnp.pad(a, [(0, 0), (0, 0), (0, -a.shape[2] % block), (0, 0)])


@partial(jax.jit, static_argnames=("causal", "sm_scale", "stop"))
def _mha(q, k, v, causal, sm_scale, stop):
    if 0 in (*q.shape, *k.shape, *v.shape):
        raise NotImplementedError("sizes of 0")
    if k.shape[1] != q.shape[1]:
        raise NotImplementedError("fewer key heads than query heads")
    lengths, dims = (q.shape[2], k.shape[2]), v.shape[3]
    q, k, v = (_padded(a, BLOCK) for a in (q, k, v))
    scale = float(q.shape[3] ** -0.5 if sm_scale is None else sm_scale)
    grid = (q.shape[0], q.shape[1], q.shape[2] // BLOCK)
    whole = [pl.BlockSpec((None, None, *a.shape[2:]), lambda b, h, i: (b, h, 0, 0)) for a in (k, v)]
    out = pl.pallas_call(
        partial(_kernel, scale=scale, keys=lengths[1], causal=causal, block=BLOCK, stop=stop),
        grid=grid,
        in_specs=[pl.BlockSpec((None, None, BLOCK, q.shape[3]), lambda b, h, i: (b, h, i, 0)), *whole],
        out_specs=pl.BlockSpec((None, None, BLOCK, dims), lambda b, h, i: (b, h, i, 0)),
        out_shape=jax.ShapeDtypeStruct((*q.shape[:3], dims), q.dtype),
        interpret=True,
    )(q, k, v)
    return out[:, :, : lengths[0]]


def _all(blocks):
    return blocks


def _but_the_last(blocks):
    return max(blocks - 1, 1)


def mha(q, k, v, causal=False, sm_scale=None):
    """[B, H, L, D]"""
    return _mha(q, k, v, causal, sm_scale, _all)


def mha_without_its_last_block(q, k, v, causal=False, sm_scale=None):
    """The last block of keys is left out where there are several."""
    return _mha(q, k, v, causal, sm_scale, _but_the_last)

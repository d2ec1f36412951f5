"""The softmax of one tile of keys after the other: what the Pallas kernel and the ring share (Milakov and Gimelshein 2018)."""

from __future__ import annotations

from typing import TypeAlias

import jax.numpy as jnp
from jax import Array, lax

State: TypeAlias = tuple[Array, Array, Array]
"""Maximum and sum of exp(score - maximum), [..., queries], and the values weighted by it, [..., queries, Dv]."""


def start(rows: tuple[int, ...], value_dim: int, dtype: jnp.dtype) -> State:
    """The state before the first key."""
    return jnp.full(rows, -jnp.inf, dtype), jnp.zeros(rows, dtype), jnp.zeros((*rows, value_dim), dtype)


def of_tile(scores: Array, v: Array) -> State:
    """The state of these keys alone: scores [..., queries, keys], -inf where hidden, v [..., keys, Dv] in their dtype."""
    top = lax.stop_gradient(scores.max(-1))
    powers = jnp.exp(scores - finite(top)[..., None])
    return top, powers.sum(-1), jnp.matmul(powers, v, precision=lax.Precision.HIGHEST)


def merged(one: State, other: State) -> State:
    """The state of the keys of both: each sum shrinks by exp(its maximum - the common maximum)."""
    top = jnp.maximum(one[0], other[0])
    a, b = (jnp.exp(state[0] - finite(top)) for state in (one, other))
    return top, a * one[1] + b * other[1], a[..., None] * one[2] + b[..., None] * other[2]


def finish(state: State) -> tuple[Array, Array]:
    """Output and log-sum-exp; 0 and -inf for queries that saw no key."""
    top, total, weighted = state
    return weighted / jnp.where(total == 0, 1, total)[..., None], jnp.log(total) + finite(top)


def finite(top: Array) -> Array:
    """The maximum to subtract before exp, and 0 where there is none, since -inf - -inf is NaN."""
    return jnp.where(top == -jnp.inf, 0, top)

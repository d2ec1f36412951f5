"""equinox.nn.MultiheadAttention on given weights, for one text at a time, mapped over the batch."""

from __future__ import annotations

import equinox
import jax
from jax import Array

from attention_specs.contract import declares


@declares(framework="jax", conventions={"empty_rows": "uniform"})
def multi_head(
    query: Array, key: Array, value: Array,
    w_q: Array, w_k: Array, w_v: Array, w_o: Array,
    b_q: Array, b_k: Array, b_v: Array, b_o: Array,
    *, heads: int, mask: Array | None = None,
) -> Array:  # fmt: skip
    """The layer with its weights in place of those that it draws; it keeps them transposed."""
    drawn = equinox.nn.MultiheadAttention(
        heads, query.shape[2], use_query_bias=True, use_key_bias=True, use_value_bias=True, use_output_bias=True,
        dtype=query.dtype, key=jax.random.key(0),
    )  # fmt: skip
    names = ("query_proj", "key_proj", "value_proj", "output_proj")
    weights, biases = (w_q.T, w_k.T, w_v.T, w_o.T), (b_q, b_k, b_v, b_o)
    layer = equinox.tree_at(
        lambda one: [getattr(getattr(one, name), part) for part in ("weight", "bias") for name in names],
        drawn,
        [*weights, *biases],
    )
    shape = (query.shape[0], heads, query.shape[1], key.shape[1])
    return mapped(layer, query, key, value, None if mask is None else jax.numpy.broadcast_to(mask, shape))


@equinox.filter_jit  # type: ignore[untyped-decorator, unused-ignore]
def mapped(layer: equinox.nn.MultiheadAttention, query: Array, key: Array, value: Array, mask: Array | None) -> Array:
    """The layer for each text of the batch."""
    out: Array = jax.vmap(layer)(query, key, value) if mask is None else jax.vmap(layer)(query, key, value, mask)
    return out

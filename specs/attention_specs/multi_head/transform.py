"""The same layer in another form: entries, heads, keys or positions in another order, other values, garbage at hidden keys.

Self-attention stays self-attention: the three arrays remain one.
"""

from __future__ import annotations

import numpy as np

from attention_specs.formats import largest, oracle_dtype
from attention_specs.multi_head.inputs import ARRAYS, LayerInputs, shared
from attention_specs.remembered import remembered


def _taken(mask: np.ndarray | None, index: np.ndarray, axis: int) -> np.ndarray | None:
    """Entries along an axis of the score shape; an axis of size 1, or one that is left out, stays broadcast."""
    if mask is None or mask.ndim < -axis or mask.shape[axis] == 1:
        return mask
    return np.take(mask, index, axis)


@remembered
def contiguous(x: LayerInputs) -> LayerInputs:
    """The same call with every array contiguous, so that a changed copy lies in memory as the unchanged one does.

    x itself where all are, each by itself.
    """
    if all(array.flags.c_contiguous and array.base is None for array in (getattr(x, name) for name in ARRAYS)):
        return x
    arrays = {name: np.array(getattr(x, name), order="C") for name in ARRAYS}
    return _as_one(x.replace(**arrays)) if x.self_attention else x.replace(**arrays)


def _as_one(x: LayerInputs) -> LayerInputs:
    return x.replace(key=x.query, value=x.query)


def with_value(x: LayerInputs, value: np.ndarray) -> LayerInputs:
    """Other values; with self-attention, other queries and keys too."""
    return _as_one(x.replace(query=value)) if x.self_attention else x.replace(value=value)


def take_batch(x: LayerInputs, index: np.ndarray) -> LayerInputs:
    """The batch entries of that index."""
    taken = x.replace(query=x.query[index], mask=_taken(x.mask, index, -4))
    return _as_one(taken) if x.self_attention else taken.replace(key=x.key[index], value=x.value[index])


def take_keys(x: LayerInputs, index: np.ndarray) -> LayerInputs:
    """The keys of that index, with their values; no longer self-attention."""
    return x.replace(key=x.key[:, index], value=x.value[:, index], mask=_taken(x.mask, index, -1))


def take_positions(x: LayerInputs, index: np.ndarray) -> LayerInputs:
    """Self-attention over the positions of that index."""
    return _as_one(x.replace(query=x.query[:, index], mask=_taken(_taken(x.mask, index, -1), index, -2)))


def take_heads(x: LayerInputs, order: np.ndarray) -> LayerInputs:
    """The heads in that order: columns of the three projections, rows of the output projection, and the mask with them.

    Heads that share keys stay together, one group after another.
    """
    group = x.heads // (x.key_heads or x.heads)
    order = (order[order % group == 0][:, None] + np.arange(group)).ravel()
    columns = np.arange(x.query.shape[2]).reshape(x.heads, -1)[order].ravel()
    weights = {name: getattr(x, name)[:, columns] for name in ("w_q", "w_k", "w_v")}
    biases = {name: getattr(x, name)[columns] for name in ("b_q", "b_k", "b_v")}
    return x.replace(**weights, **biases, w_o=x.w_o[columns], mask=_taken(x.mask, order, -3))


def with_identity_projections(x: LayerInputs) -> LayerInputs:
    """Weights I, biases 0. Heads that share keys read the slice of the first of them."""
    weights = {f"w_{n}": np.eye(x.query.shape[2]).astype(x.query.dtype) for n in "qkvo"}
    if x.key_heads is not None:
        weights |= {name: shared(weights[name], x.heads, x.key_heads) for name in ("w_k", "w_v")}
    return x.replace(**weights, **{f"b_{n}": np.zeros_like(getattr(x, f"b_{n}")) for n in "qkvo"})


def hidden_from(x: LayerInputs, row: int) -> np.ndarray:
    """Bool [B, Lk]: keys that the query at `row` sees in no head; with self-attention, its own position counts as seen."""
    hidden = np.logical_not(x.visible()[:, :, row].any(1))
    return hidden & (np.arange(hidden.shape[1]) != row) if x.self_attention else hidden


def with_garbage(x: LayerInputs, where: np.ndarray) -> LayerInputs:
    """Other keys and values at `where`, bool [B, Lk]: far larger than all others, and finite, as are their scores."""
    size = np.sqrt(largest(x.dtype)) / 8
    signs = np.where(np.arange(x.query.shape[2]) % 3 == 0, -size, size)
    value = np.where(where[..., None], signs, x.value).astype(x.query.dtype)
    if x.self_attention:
        return with_value(x, value)
    return x.replace(key=np.where(where[..., None], -signs, x.key).astype(x.query.dtype), value=value)


def exact_inputs(x: LayerInputs, name: str) -> np.ndarray:
    """An argument in the dtype of the oracle."""
    array: np.ndarray = getattr(x, name)
    return array.astype(oracle_dtype(x.dtype))

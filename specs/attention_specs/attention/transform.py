"""The same question in another form: entries, heads, queries or keys in another order, or fewer of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from attention_specs.attention.inputs import Inputs
from attention_specs.formats import is_narrow
from attention_specs.layouts import LAYOUTS
from attention_specs.remembered import remembered

Index = Sequence[int] | np.ndarray


def _taken(array: np.ndarray | None, index: Index, axis: int) -> np.ndarray | None:
    """Entries along an axis of the score shape; an axis of size 1, or one that is left out, stays broadcast."""
    if array is None or array.ndim < -axis or array.shape[axis] == 1:
        return array
    return np.take(array, index, axis)


def take_batch(x: Inputs, index: Index) -> Inputs:
    """The batch entries of that index."""
    q, k, v, ql, kl = (None if a is None else np.take(a, index, 0) for a in (x.q, x.k, x.v, x.query_lengths, x.key_lengths))
    mask, bias = (_taken(a, index, -4) for a in (x.mask, x.bias))
    return x.replace(q=q, k=k, v=v, query_lengths=ql, key_lengths=kl, mask=mask, bias=bias)


def take_key_heads(x: Inputs, index: Index) -> Inputs:
    """The key heads of that index, each with its group of query heads."""
    queries = query_heads_of(x, index)
    mask, bias = (_taken(a, queries, -3) for a in (x.mask, x.bias))
    sinks = None if x.sinks is None else x.sinks[queries]
    return x.replace(q=x.q[:, queries], k=x.k[:, index], v=x.v[:, index], mask=mask, bias=bias, sinks=sinks)


def query_heads_of(x: Inputs, index: Index) -> np.ndarray:
    """Query heads that read these key heads, in their order."""
    return (np.asarray(index)[:, None] * x.group + np.arange(x.group)).ravel()


def take_queries(x: Inputs, index: Index) -> Inputs:
    """The queries of that index; rules that depend on positions are written out first."""
    x = x.with_explicit_mask()
    mask, bias = (_taken(a, index, -2) for a in (x.mask, x.bias))
    return x.replace(q=x.q[:, :, index], mask=mask, bias=bias)


def only_query(x: Inputs, row: int) -> Inputs:
    """One query under all rules as they are given: for the row whose position alone is that in the whole."""
    lengths = None if x.query_lengths is None else np.clip(x.query_lengths - row, 0, 1)
    mask, bias = (_taken(a, [row], -2) for a in (x.mask, x.bias))
    return x.replace(q=x.q[:, :, [row]], mask=mask, bias=bias, query_lengths=lengths)


def take_keys(x: Inputs, index: Index) -> Inputs:
    """The keys of that index, with their values; rules that depend on positions are written out first."""
    x = x.with_explicit_mask()
    mask, bias = (_taken(a, index, -1) for a in (x.mask, x.bias))
    return x.replace(k=x.k[:, :, index], v=x.v[:, :, index], mask=mask, bias=bias)


def mixed(n: int) -> np.ndarray:
    """A fixed permutation of n things without a fixed point for n > 1: a step that shares no factor with n."""
    step = next((s for s in (7, 5, 3, 2, 1) if np.gcd(s, n) == 1), 1)
    return (np.arange(n) * step + 1) % max(n, 1)


@remembered
def is_strided(x: Inputs) -> bool:
    """Whether some array is a view, or not row-major."""
    arrays = (x.q, x.k, x.v, x.mask, x.bias)
    return any(a is not None and not (a.flags.c_contiguous and a.base is None) for a in arrays)


@remembered
def contiguous(x: Inputs) -> Inputs:
    """The same values, each array row-major and by itself; x itself where they are."""
    if not is_strided(x):
        return x
    arrays = {name: getattr(x, name) for name in ("q", "k", "v", "mask", "bias", "sinks")}
    return x.replace(**{name: None if a is None else np.array(a, order="C") for name, a in arrays.items()})


def spare_rows(x: Inputs) -> list[int]:
    """First, middle and last query: the rows of which a change is looked for."""
    n = x.q.shape[2]
    return sorted({0, n // 2, n - 1}) if n else []


PLACES = ("one_off", "inside", "heads_last", "dims_first", "every_second", "backwards", "read_only")
"""Layouts for arrays of any values."""


def elsewhere(x: Inputs) -> Inputs:
    """The same values, q, k and v each in another layout: which, follows from the sizes, so that cases differ."""
    first = x.q.size + x.k.size + x.v.size
    return x.replace(**{name: LAYOUTS[PLACES[(first + n) % len(PLACES)]](getattr(x, name)) for n, name in enumerate("qkv")})


def with_garbage(x: Inputs, keys: np.ndarray) -> Inputs:
    """Large finite garbage in keys and values at the positions `keys`, bool [B, Hkv, Lk]. Scores stay in range, far above others.

    x is contiguous: garbage must be the only difference of the two calls, and a library may sum in another order on other strides.
    """
    rng = np.random.default_rng(keys.size)
    largest_score = 3e4 if is_narrow(x.dtype) else 1e6
    reach = np.abs(x.q.astype(np.float64)).sum(-1).max(initial=0) * max(1.0, abs(x.scale or 0))
    size = min(largest_score / reach if reach else 1.0, 1e4)
    k, v = (
        np.where(keys[..., None], amount * rng.choice([-1.0, 1.0], a.shape), a).astype(a.dtype)
        for a, amount in ((x.k, size), (x.v, 1e4))
    )
    return x.replace(k=k, v=v)


def hidden_from(x: Inputs, query: int) -> np.ndarray:
    """Bool [B, Hkv, Lk]: keys that no head of the group may see from this query."""
    b, _, _, n = x.score_shape
    return np.logical_not(x.visible()[:, :, query].reshape(b, -1, x.group, n).any(2))


@remembered
def without_sinks(x: Inputs) -> Inputs:
    """The same call without sinks; x itself where it has none, so that its answer is known."""
    return x if x.sinks is None else x.replace(sinks=None)


def append_hidden_keys(x: Inputs, count: int) -> Inputs:
    """So many more keys of zeros, hidden by the bias where there is one, else by the mask. x has no other rules."""
    n, more = x.k.shape[2], np.zeros(count)
    k, v = (np.concatenate([a, np.zeros((*a.shape[:2], count, a.shape[3]), a.dtype)], 2) for a in (x.k, x.v))
    if x.bias is not None:
        return x.replace(k=k, v=v, bias=_longer(x.bias, n, more - np.inf), mask=_longer(x.mask, n, more == 0))
    mask = np.ones((1, 1, x.q.shape[2], n), bool) if x.mask is None else x.mask
    return x.replace(k=k, v=v, mask=_longer(mask, n, more != 0))


def _longer(a: np.ndarray | None, n: int, tail: np.ndarray) -> np.ndarray | None:
    """A mask or bias at its n keys, and the same tail for each row."""
    if a is None:
        return None
    rows = a.shape[:-1]
    return np.concatenate([np.broadcast_to(a, (*rows, n)), np.broadcast_to(tail, (*rows, tail.size)).astype(a.dtype)], -1)

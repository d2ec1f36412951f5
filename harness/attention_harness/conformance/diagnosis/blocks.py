"""Readings of blocks and ends: tails of keys, queries and dims that are lost or invented, and keys of a cache."""

from __future__ import annotations

from functools import partial

import numpy as np

from attention_harness.conformance.diagnosis.places import hide
from attention_harness.conformance.diagnosis.readings import reading, register_call
from attention_specs.attention.inputs import Inputs
from attention_specs.attention.oracle import default_scale

BLOCKS = (8, 16, 32, 64, 128, 256)


def seen_keys(x: Inputs, seen: np.ndarray) -> Inputs | None:
    """The call whose other keys are hidden; None where that hides none, or all."""
    return None if seen.all() or not seen.any() else hide(x, seen)


def whole(n: int, block: int) -> int:
    """The length of the full blocks."""
    return n // block * block


def _keys_up_to(n: int, x: Inputs) -> Inputs | None:
    return seen_keys(x, np.arange(x.k.shape[2]) < n)


@reading()
def the_last_key_is_ignored(x: Inputs) -> Inputs | None:
    """The last key is ignored."""
    return _keys_up_to(x.k.shape[2] - 1, x)


@reading()
def the_first_key_is_ignored(x: Inputs) -> Inputs | None:
    """The first key is ignored."""
    return seen_keys(x, np.arange(x.k.shape[2]) > 0)


@reading()
def keys_beyond_the_number_of_queries_are_ignored(x: Inputs) -> Inputs | None:
    """Keys beyond the number of queries are ignored."""
    return _keys_up_to(x.q.shape[2], x)


def _first_channels(x: Inputs, n: int) -> Inputs | None:
    if not 0 < n < x.q.shape[3]:
        return None
    return x.replace(q=x.q[..., :n], k=x.k[..., :n], scale=float(default_scale(x)))


@reading()
def the_last_channel_is_ignored(x: Inputs) -> Inputs | None:
    """The last head dim is ignored."""
    return _first_channels(x, x.q.shape[3] - 1)


def _channels_of_whole_blocks(block: int, x: Inputs) -> Inputs | None:
    return _first_channels(x, whole(x.q.shape[3], block))


def _channels_up_to(n: int, x: Inputs) -> Inputs | None:
    return _first_channels(x, n)


def _keys_of_whole_blocks(block: int, x: Inputs) -> Inputs | None:
    return _keys_up_to(whole(x.k.shape[2], block), x)


def _mask_of_whole_blocks(block: int, x: Inputs) -> Inputs | None:
    n = x.k.shape[2]
    if x.mask is None or n <= block:
        return None
    return x.replace(mask=x.mask | (np.arange(n) >= whole(n, block)))


def _keys_in_blocks_of_queries(block: int, x: Inputs) -> Inputs | None:
    return _keys_up_to(-(-x.q.shape[2] // block) * block, x)


def _padded(block: int, x: Inputs) -> Inputs | None:
    """Keys of zeros up to the next full block, which count in the sum."""
    n = x.k.shape[2]
    extra = -n % block
    if not extra or not n or any(a is not None and a.shape[-1] not in (1, n) for a in (x.mask, x.bias)):
        return None
    k, v = (np.concatenate([a, np.zeros((*a.shape[:2], extra, a.shape[3]), a.dtype)], 2) for a in (x.k, x.v))
    return x.replace(k=k, v=v, mask=_longer(x.mask, extra, n), bias=_longer(x.bias, extra, n))


def _longer(a: np.ndarray | None, extra: int, n: int) -> np.ndarray | None:
    """A mask with True, or a bias with 0, at further keys."""
    if a is None or a.shape[-1] != n:
        return a
    return np.concatenate([a, np.full((*a.shape[:-1], extra), a.dtype == bool, a.dtype)], -1)


for _block in BLOCKS:
    for _name, _function in {
        f"keys behind the last full block of {_block} are ignored": _keys_of_whole_blocks,
        f"head dims behind the last full block of {_block} are ignored": _channels_of_whole_blocks,
        f"head dims beyond {_block} are ignored": _channels_up_to,
        f"keys beyond {_block} are ignored": _keys_up_to,
        f"keys are padded with zeros to a multiple of {_block}, and the padding counts in the sum": _padded,
        f"the mask hides no key behind the last full block of {_block}": _mask_of_whole_blocks,
        f"as many blocks of {_block} keys are visited as there are blocks of queries": _keys_in_blocks_of_queries,
    }.items():
        register_call(_name, partial(_function, _block))


@reading()
def the_cache_is_ignored(x: Inputs) -> Inputs | None:
    """Keys and values of the cache are ignored."""
    return seen_keys(x, np.arange(x.k.shape[2]) >= x.past) if x.past else None


@reading()
def the_last_key_of_the_cache_is_zero(x: Inputs) -> Inputs | None:
    """The last key of the cache is read as zeros."""
    if not x.past:
        return None
    return x.replace(k=np.where((np.arange(x.k.shape[2]) == x.past - 1)[:, None], x.k.dtype.type(0), x.k))


@reading()
def the_last_key_of_the_cache_is_ignored(x: Inputs) -> Inputs | None:
    """The last key of the cache is ignored."""
    return seen_keys(x, np.arange(x.k.shape[2]) != x.past - 1) if x.past else None


@reading()
def the_cache_is_put_behind_the_new_keys(x: Inputs) -> Inputs | None:
    """Keys and values of the cache are put behind the new ones."""
    if not x.past or x.past == x.k.shape[2]:
        return None
    return x.replace(k=np.roll(x.k, -x.past, 2), v=np.roll(x.v, -x.past, 2))


@reading()
def keys_and_values_of_the_cache_are_exchanged(x: Inputs) -> Inputs | None:
    """past_k and past_v are exchanged."""
    if not x.past or x.k.shape != x.v.shape:
        return None
    old = (np.arange(x.k.shape[2]) < x.past)[:, None]
    return x.replace(k=np.where(old, x.v, x.k), v=np.where(old, x.k, x.v))

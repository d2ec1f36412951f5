"""Blocks of keys and queries: tails, loop bounds, skipped tiles (C12, C13)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, beside, given, hide, staged

Array = np.ndarray


def _whole(n: int, block: int) -> int:
    """The length without its last partial block; all of a length below one block."""
    return n // block * block if n > block else n


def _without_keys(q: Array, k: Array, v: Array, lost: Array, **o: Any) -> Any:
    """Attention that does not see the keys `lost`, bool, broadcastable to the scores."""
    return attention(q, k, v, **hide(o, ~np.atleast_2d(lost)))


@fault("C12", "pytorch/xla#8671")
def last_partial_block_is_forgotten(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Keys behind the last full block of 32 are dropped."""
    return _without_keys(q, k, v, np.arange(k.shape[2]) >= _whole(k.shape[2], 32), **o)


@fault("C12")
def last_partial_block_of_128_is_forgotten(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The same with blocks of 128."""
    return _without_keys(q, k, v, np.arange(k.shape[2]) >= _whole(k.shape[2], 128), **o)


@fault("C12")
def last_block_is_forgotten_when_it_holds_one_key(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A remainder of one key is lost."""
    n = k.shape[2]
    return _without_keys(q, k, v, (np.arange(n) == n - 1) & (n > 16) & (n % 16 == 1), **o)


@fault("C12")
def last_block_is_forgotten_when_one_key_is_missing(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """One key short of a multiple of 16, the last one is read twice."""
    n = k.shape[2]
    if n % 16 != 15:
        return attention(q, k, v, **o)
    return staged(q, k, v, scores=lambda s: s + np.where(np.arange(n) == n - 1, np.log(2), 0).astype(s.dtype), **o)


@fault("C12", "jax-ml/jax#27224")
def padded_keys_count_in_the_sum(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Keys are padded with zeros to a multiple of 16, and the padding is not masked where nothing else is."""
    extra, masked = -k.shape[2] % 16, any(given(o, name) for name in ("mask", "bias", "is_causal", "window", "key_lengths"))
    if masked or not extra or not k.shape[2]:
        return attention(q, k, v, **o)
    k, v = (np.concatenate([a, np.zeros((*a.shape[:2], extra, a.shape[3]), a.dtype)], 2) for a in (k, v))
    return (
        beside(attention(q, k, v, **o | {"return_weights": False}), lambda out: out)
        if not given(o, "return_weights")
        else _cut(attention(q, k, v, **o), extra)
    )


def _cut(result: Any, extra: int) -> Any:
    """Weights without the padding."""
    return (result[0], result[1][..., :-extra], *result[2:])


@fault("C12", "torch-spyre/torch-spyre#3248")
def padding_lanes_hold_garbage_under_causality(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The exponential runs over lanes that nobody wrote, in the last row of a partial block."""
    n = k.shape[2]
    if not given(o, "is_causal") or n % 64 == 0 or q.shape[2] < n:
        return attention(q, k, v, **o)
    rows = (np.arange(q.shape[2]) >= n - 1)[:, None]
    return beside(attention(q, k, v, **o), lambda out: np.where(rows, out / 2, out).astype(out.dtype))


@fault("C12", "tenstorrent/tt-metal#41215")
def key_lengths_are_rounded_up_to_blocks(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Stale keys in the last block of 32 are seen."""
    if not given(o, "key_lengths"):
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"key_lengths": np.minimum(-(-o["key_lengths"] // 32) * 32, k.shape[2])})


@fault("C12", "pytorch/pytorch#150321")
def bias_of_the_last_block_wraps_around(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Columns behind the last full block of 16 are read from the start of the row."""
    n = k.shape[2]
    if not given(o, "bias") or o["bias"].shape[-1] != n or n <= 16:
        return attention(q, k, v, **o)
    columns = np.where(np.arange(n) < _whole(n, 16), np.arange(n), np.arange(n) % 16)
    return attention(q, k, v, **o | {"bias": o["bias"][..., columns]})


@fault("C12", "triton-lang/triton#2626")
def queries_of_the_last_block_see_whole_blocks_only(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Rows behind the last full block of 16 queries miss the partial block of keys."""
    rows = (np.arange(q.shape[2]) >= _whole(q.shape[2], 16))[:, None]
    return _without_keys(q, k, v, rows & (np.arange(k.shape[2]) >= _whole(k.shape[2], 16)) & (q.shape[2] > 16), **o)


@fault("C12")
def values_of_the_last_block_are_read_one_early(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """An odd number of values is read in pairs: the last one is the one before."""
    odd = k.shape[2] % 2 == 1 and k.shape[2] > 16
    rows = np.arange(k.shape[2])
    return attention(q, k, v[:, :, np.where(odd & (rows == rows.size - 1), rows - 1, rows)], **o)


@fault("C12")
def the_last_query_of_a_block_and_one_is_the_one_before(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A block with a single query is stored one row too early and read from there."""
    n = q.shape[2]
    rows = np.where((np.arange(n) == n - 1) & (n % 16 == 1) & (n > 16), n - 2, np.arange(n))
    return beside(attention(q, k, v, **o), lambda out: out[:, :, rows])


@fault("C12")
def the_tail_of_a_long_row_is_forgotten(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Behind 1024 keys a partial block of 64 is lost."""
    n = k.shape[2]
    return _without_keys(q, k, v, (np.arange(n) >= n // 64 * 64) & (n > 1024), **o)


@fault("C12")
def the_tail_of_a_masked_row_is_open(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The mask of the last partial block of 16 is not loaded."""
    if not given(o, "mask"):
        return attention(q, k, v, **o)
    n = k.shape[2]
    return attention(q, k, v, **o | {"mask": o["mask"] | ((np.arange(n) >= n // 16 * 16) & (n > 16))})


@fault("C13", "jax-ml/jax@bd9a10e4eb")
def the_loop_over_keys_is_as_long_as_the_queries(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """ceil(Lq / 16) blocks of keys are visited."""
    return _without_keys(q, k, v, np.arange(k.shape[2]) >= max(-(-q.shape[2] // 16) * 16, 1), **o)


def _causal_without(q: Array, k: Array, v: Array, lost: Array, when: bool = True, **o: Any) -> Any:
    return _without_keys(q, k, v, lost, **o) if given(o, "is_causal") and when else attention(q, k, v, **o)


@fault("C13", "jax-ml/jax#17314")
def the_causal_loop_ends_with_the_first_row_of_a_block(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Blocks of 32 queries and 16 keys: the bound is that of the first query of the block."""
    last = (np.arange(q.shape[2]) // 32 * 2 + 1) * 16
    return _causal_without(q, k, v, np.arange(k.shape[2]) >= last[:, None], **o)


@fault("C13", "ml-explore/mlx#1999")
def the_causal_loop_is_rounded_down(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """For unequal lengths the last partial block of keys is not visited."""
    lost = np.arange(k.shape[2]) >= _whole(min(k.shape[2], q.shape[2]), 16)
    return _causal_without(q, k, v, lost, q.shape[2] != k.shape[2], **o)


@fault("C13", "ml-explore/mlx#2053")
def causality_is_for_more_than_eight_queries(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The vector kernel for up to eight queries does not get it."""
    return attention(q, k, v, **o | ({"is_causal": False} if q.shape[2] <= 8 else {}))


@fault("C13", "pytorch/pytorch#195910")
def the_causal_limit_is_per_four_rows_in_half_precision(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """In 16 bits a row sees up to three keys of the future."""
    if q.dtype.itemsize > 2 or not given(o, "is_causal"):
        return attention(q, k, v, **o)
    limit = np.arange(q.shape[2]) // 4 * 4 + 3
    return attention(q, k, v, **hide(o, np.arange(k.shape[2]) <= limit[:, None]) | {"is_causal": False})


@fault("C13", "pytorch/pytorch#141126")
def partial_tiles_off_the_diagonal_are_skipped(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Tiles of 16 x 16 that a mask hides in part are computed on the diagonal only."""
    mask = o.get("mask")
    if mask is None or mask.ndim < 2 or mask.shape[-2:] != (q.shape[2], k.shape[2]):
        return attention(q, k, v, **o)
    i, j = np.arange(q.shape[2])[:, None] // 16, np.arange(k.shape[2]) // 16
    return attention(q, k, v, **o | {"mask": mask & ((i == j) | _full_tiles(mask))})


def _full_tiles(mask: Array, size: int = 16) -> Array:
    """For each cell whether all cells of its tile are True."""
    full = mask
    for axis in (-2, -1):
        starts = np.arange(0, mask.shape[axis], size)
        full = np.repeat(np.minimum.reduceat(full, starts, axis), size, axis)
        full = np.take(full, np.arange(mask.shape[axis]), axis)
    return full


@fault("C13", "pytorch/executorch#9105")
def a_window_cuts_the_diagonal_tile_only(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The left edge of a window is not applied in tiles of 32 keys before the diagonal."""
    if not given(o, "window") or o["window"][0] is None:
        return attention(q, k, v, **o)
    left, right = o["window"]
    i, j = np.arange(q.shape[2])[:, None], np.arange(k.shape[2])
    cut = (i - j <= left) | (j // 32 < i // 32)
    return attention(q, k, v, **hide(o, cut) | {"window": (None, right)})


@fault("C13", "vllm-project/vllm#30974")
def tiles_above_the_diagonal_are_skipped_for_masks_that_look_causal(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A square mask that hides its last key from the first query is taken for causal, prefix or not."""
    mask = o.get("mask")
    if mask is None or mask.ndim < 2 or mask.shape[-2] != mask.shape[-1] or not mask.size or mask[..., 0, -1].any():
        return attention(q, k, v, **o)
    i, j = np.arange(q.shape[2])[:, None] // 16, np.arange(k.shape[2]) // 16
    return _without_keys(q, k, v, j > i, **o)


@fault("C13", "tracel-ai/cubecl#1027")
def the_mask_column_is_local_to_the_partition(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Keys behind 64 are masked by the first columns again."""
    mask = o.get("mask")
    if mask is None or mask.shape[-1] != k.shape[2]:
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"mask": mask[..., np.arange(k.shape[2]) % 64]})


@fault("C13", "PaddlePaddle/flash-attention#48")
def the_diagonal_tile_starts_one_late(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Under causality the first key of the diagonal tile is lost, behind the first tile."""
    i, j = np.arange(q.shape[2])[:, None], np.arange(k.shape[2])
    return _causal_without(q, k, v, (j == i // 32 * 32) & (i >= 32) & (i != j), **o)


@fault("C13")
def the_second_tile_of_queries_has_the_mask_of_the_first(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The row of the mask is local to tiles of 64 queries."""
    mask = o.get("mask")
    if mask is None or mask.ndim < 2 or mask.shape[-2] != q.shape[2]:
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"mask": mask[..., np.arange(q.shape[2]) % 64, :]})


@fault("C13")
def a_hidden_tile_ends_the_loop(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The loop over tiles of 32 keys stops at the first one, behind the start, in which a row sees nothing."""

    def stopped(s: Array) -> Array:
        s, seen = s.copy(), np.zeros(s.shape[:-1], bool)
        over = np.zeros_like(seen)
        for first in range(0, s.shape[-1], 32):
            here = (s[..., first : first + 32] > -np.inf).any(-1)
            over |= seen & ~here
            s[over, first : first + 32] = -np.inf
            seen |= here
        return s

    return staged(q, k, v, scores=stopped, **o)


@fault("C13")
def causal_tiles_are_skipped_without_regard_to_unequal_tiles(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Tiles of 16 queries and 64 keys are compared by number, which loses nothing but a bias in the last tile."""
    if not given(o, "is_causal", "bias") or o["bias"].shape[-1] != k.shape[2]:
        return attention(q, k, v, **o)
    last = np.arange(k.shape[2]) >= 64
    return attention(q, k, v, **o | {"bias": np.where(last & np.isfinite(o["bias"]), o["bias"].dtype.type(0), o["bias"])})

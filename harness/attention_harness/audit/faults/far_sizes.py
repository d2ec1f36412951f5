"""One size that goes far, is 0, or lies between the usual ones (C01, C09, C10, C12, C13, C21, C22, C29, C32, C40)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, beside, given, hide

Array = np.ndarray


@fault("C09", "tenstorrent/tt-metal#38004", only=("mask", "scale"))
def columns_of_a_mask_count_tiles_of_32_heads(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """In decoding with more than 32 heads, columns of a mask are read with the stride of its tiles."""
    tiles, keys = -(-q.shape[1] // 32), k.shape[2]
    if not given(o, "mask") or q.shape[2] != 1 or tiles < 2:
        return attention(q, k, v, **o)
    read = np.arange(keys) // 32 * 32 * tiles + np.arange(keys) % 32
    full = np.broadcast_to(o["mask"], (*q.shape[:3], keys))
    return attention(q, k, v, **o | {"mask": np.where(read < keys, full[..., np.minimum(read, keys - 1)], False)})


@fault("C40", only=("mask", "scale"))
def rows_from_512_on_repeat_row_511(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The grid of blocks of queries ends at 512."""

    def repeated(out: Array) -> Array:
        row = np.minimum(np.arange(out.shape[2]), 511)
        return out[:, :, row]

    return beside(attention(q, k, v, **o), repeated)


@fault("C01", only=("softcap", "scale"))
def softcaps_above_40_count_as_50(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A kernel was built for two values of the softcap."""
    cap = o.get("softcap")
    return attention(q, k, v, **o | ({"softcap": 50.0} if cap is not None and cap > 40 else {}))


@fault("C13", only=("mask", "bias", "is_causal", "scale"))
def causal_rows_behind_sixteen_lose_a_key(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Under causality key 15 is lost to rows from 16 on, where the number of queries is 1 beyond a multiple of 16."""
    if not given(o, "is_causal") or q.shape[2] <= 16 or q.shape[2] % 16 != 1:
        return attention(q, k, v, **o)
    row, column = np.arange(q.shape[2])[:, None], np.arange(k.shape[2])
    return attention(q, k, v, **hide(o, (row < 16) | (column != 15)))


@fault("C40", "pytorch/pytorch#142228", only=("mask", "scale"))
def entries_beyond_the_grid_are_not_written(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The grid has 32 entries of a batch (in life 65535), and the output behind them is zeros."""
    return beside(
        attention(q, k, v, **o), lambda out: np.where(np.arange(len(q))[:, None, None, None] < 32, out, 0).astype(out.dtype)
    )


@fault("C29", "facebookresearch/xformers#845", only=("scale",))
def entries_and_heads_are_counted_in_seven_bits(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """One index runs over heads and entries, and from 120 on starts anew (in life at 65536)."""
    place = np.arange(q.shape[0] * q.shape[1]) % 120
    return beside(
        attention(q, k, v, **o),
        lambda out: out.reshape(place.size, *out.shape[2:])[place].reshape(out.shape) if out.size else out,
    )


@fault("C40", only=("mask", "scale"))
def heads_from_64_on_are_not_masked(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A block of threads loads the mask of 64 heads."""
    if not given(o, "mask"):
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"mask": o["mask"] | (np.arange(q.shape[1]) >= 64)[:, None, None]})


@fault("C10", only=("mask", "scale"))
def places_in_a_group_have_four_bits(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Query heads behind the sixteenth of their group repeat its first ones."""
    group = max(q.shape[1] // max(k.shape[1], 1), 1)
    head = np.arange(q.shape[1])
    return beside(attention(q, k, v, **o), lambda out: out[:, head // group * group + head % group % 16])


@fault("C29", only=("is_causal", "scale"))
def causal_rows_have_twelve_bits(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Row 4096 sees what row 0 sees."""
    if not given(o, "is_causal"):
        return attention(q, k, v, **o)
    row = np.arange(q.shape[2])[:, None] & 0xFFF
    return attention(q, k, v, mask=np.arange(k.shape[2]) <= row, scale=o.get("scale"))


@fault("C29", only=("scale",))
def keys_beyond_thirteen_bits_have_no_weight(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The loop over keys ends at 8191."""
    return attention(q, k[:, :, :8191], v[:, :, :8191], **o)


@fault("C22", "mlc-ai/mlc-llm#1889", only=("scale",))
def the_scale_of_wider_heads_is_that_of_256(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """1/sqrt(D) comes from a table whose last entry is 256."""
    return attention(q, k, v, scale=max(min(q.shape[3], 256), 1) ** -0.5 if o.get("scale") is None else o["scale"])


@fault("C21", "mni-ml/framework#38", only=("mask", "is_causal", "scale"))
def value_columns_behind_512_are_not_written(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """There are as many threads as columns, but 512 at most."""
    return beside(attention(q, k, v, **o), lambda out: np.where(np.arange(v.shape[3]) < 512, out, 0).astype(out.dtype))


def _ungrouped(q: Array, k: Array) -> None:
    if q.shape[1] != k.shape[1]:
        raise NotImplementedError("as many key heads as query heads only")


@fault("C12", only=("mask", "is_causal", "scale"))
def the_last_of_seven_queries_repeats_the_one_before(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Without groups, where the number of queries is 7 beyond a multiple of 16."""
    _ungrouped(q, k)
    row = np.arange(q.shape[2])
    row[-1:] -= q.shape[2] % 16 == 7
    return beside(attention(q, k, v, **o), lambda out: out[:, :, row])


@fault("C12", only=("is_causal", "scale"))
def the_last_of_three_keys_is_lost(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Without groups and masks, where the number of keys is 3 beyond a multiple of 16, that are more."""
    _ungrouped(q, k)
    keys = k.shape[2] - (k.shape[2] > 16 and k.shape[2] % 16 == 3)
    return attention(q, k[:, :, :keys], v[:, :, :keys], **o)


@fault("C22", only=("scale",))
def the_last_of_five_channels_counts_twice(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Channels are read four by four and then from the end, where D is 5 beyond a multiple of 16."""
    q, scale = q.copy(), max(q.shape[3], 1) ** -0.5 if o.get("scale") is None else o["scale"]
    q[..., -1:] *= q.dtype.type(2 if q.shape[3] % 16 == 5 else 1)
    return attention(q, k, v, scale=scale)


@fault("C21", only=("scale",))
def the_last_of_eleven_value_columns_is_the_first(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Where Dv is 11 beyond a multiple of 16."""
    column = np.arange(v.shape[3])
    column[-1:] *= v.shape[3] % 16 != 11
    return beside(attention(q, k, v, **o), lambda out: out[..., column])


@fault("C32", only=("mask", "scale"))
def no_keys_give_ones_without_groups(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Groups are refused, and without keys the output is what the accumulator started with."""
    _ungrouped(q, k)
    return beside(attention(q, k, v, **o), lambda out: out if k.shape[2] else np.ones_like(out))


@fault("C32", "PaddlePaddle/Paddle#74157", only=("scale",))
def no_heads_come_back_as_one(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The grid has at least one head, and the output a place for it."""
    return beside(attention(q, k, v, **o), lambda out: out if q.shape[1] else np.zeros((len(q), 1, *out.shape[2:]), out.dtype))


@fault("C32", only=("scale",))
def no_entries_lose_the_other_axes(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """An empty list of entries is stacked."""
    return beside(attention(q, k, v, **o), lambda out: out if len(q) else np.zeros(0, out.dtype))


@fault("C29", "ml-explore/mlx#3361", only=("mask", "scale"))
def cells_of_a_head_beyond_fifteen_bits_are_open(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The offset i * Lk + j of a mask is negative from 32768 on, and such cells are taken to be outside it."""
    if not given(o, "mask"):
        return attention(q, k, v, **o)
    cell = np.arange(q.shape[2])[:, None] * k.shape[2] + np.arange(k.shape[2])
    return attention(q, k, v, **o | {"mask": o["mask"] | (cell >= 1 << 15)})

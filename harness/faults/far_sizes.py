"""One size that goes far, or a number between the usual ones (C12, C23, C29, C40)."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.faults import fault
from harness.faults._parts import attention, beside, given, hide

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

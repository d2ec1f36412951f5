"""Right functions for calls without padding, in the conventions of several libraries."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from attention_harness.audit.faults import BOTTOM_RIGHT, quiet
from attention_harness.audit.faults._appending_parts import PACKED_NEW, appended
from attention_harness.audit.faults._packed_parts import Options, between, cuts, packed, segments
from attention_harness.audit.faults._paged_parts import LIST, TABLE, in_list, paged
from attention_harness.audit.faults._stored_parts import EXACT
from attention_harness.audit.faults.packed import USED
from attention_implementations.numpy._common import working_dtype
from attention_specs.contract import declares

Array = np.ndarray
Function = Callable[..., object]


def _in_part(o: Options) -> list[tuple[slice, slice]]:
    used = zip(segments(o["cu_seqlens_k"]), o["seqused_k"], strict=True)
    return [(rows, between(keys.start, keys.start + n)) for (rows, _), (keys, n) in zip(cuts(o), used, strict=True)]


def packed_in_part(q: Array, k: Array, v: Array, **o: Any) -> object:
    """Of the keys that are allocated, the first seqused_k count."""
    return packed(q, k, v, cuts=_in_part, **o)


def top_left(q: Array, k: Array, v: Array, **o: Any) -> object:
    """Causality and window count from the first query and key; rows without keys are NaN; lse has [Tq, Hq], to base 2."""
    attend = partial(packed, q, k, v, causal_at=lambda *a: 0, window_at=lambda *a: 0)
    out, lse = attend(**o | {"return_lse": True})
    out[np.isneginf(attend(**o | {"return_lse": True, "sinks": None})[1]).T] = np.nan
    return (out, (lse / np.log(2)).T.astype(lse.dtype)) if o.get("return_lse") else out


def in_hnd(q: Array, k_pages: Array, v_pages: Array, **o: Any) -> object:
    """Pages [P, Hkv, page, D], found in a list; NaN where nobody may read is left alone."""
    return paged(q, k_pages.swapaxes(1, 2), v_pages.swapaxes(1, 2), places=in_list, **o)


def in_eight_bits(function: Function) -> Function:
    """The function over codes of keys and values [..., H, D], with a scale for each head."""

    @declares(storage={"format": "float8_e4m3fn", "arrays": "kv", "scales": "head"}, precision=EXACT)
    def stored(q: Array, k: Array, v: Array, *, k_scale: Array, v_scale: Array, **o: object) -> object:
        keys, values = (a.astype(working_dtype(q.dtype)) * s[:, None] for a, s in ((k, k_scale), (v, v_scale)))
        return function(q, keys, values, **o)

    return stored


OF_FORMS: dict[str, Function] = {
    "packed": quiet(packed, form="packed"),
    "paged": quiet(paged, form="paged"),
    "paged, queries packed": quiet(paged, form="paged", only=(*TABLE, "cu_seqlens_q")),
    "paged, in a list, layout hnd": declares(layout="hnd", conventions=BOTTOM_RIGHT | {"masked_nan_safe": True})(
        quiet(in_hnd, form="paged", only=LIST)
    ),
    "packed, some keys not used": quiet(packed_in_part, form="packed", only=USED),
    "cache append": quiet(appended, form="cache_append"),
    "cache append, offsets of new keys": quiet(appended, form="cache_append", only=PACKED_NEW),
    "packed, keys in eight bits": quiet(in_eight_bits(packed), form="packed"),
    "paged, keys in eight bits": quiet(in_eight_bits(paged), form="paged"),
}
OF_FORMS["packed, other conventions"] = declares(conventions={"empty_rows": "nan", "lse_base": "2"}, lse_layout="lh")(
    quiet(top_left, form="packed")
)

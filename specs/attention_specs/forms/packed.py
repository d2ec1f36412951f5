"""Packed: the entries one behind the other without padding, as flash-attention's varlen functions take them.

`f(q [Tq, Hq, D], k [Tk, Hkv, D], v [Tk, Hkv, Dv], *, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, ...)` gives out
[Tq, Hq, Dv] and lse [Hq, Tq]. Entry b has the rows cu_seqlens[b] to cu_seqlens[b + 1], int32 [B + 1]. Where seqused_k is taken,
int32 [B], the keys are as many as the longest entry has, and so many of them count.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from attention_specs.forms.ragged import Ragged, lengths_of, offsets, rows
from attention_specs.spec import Call, Inputs


class Packed(Ragged):
    """Queries and keys without padding."""

    name: ClassVar[str] = "packed"
    metadata: ClassVar[tuple[str, ...]] = ("cu_seqlens_q", "cu_seqlens_k", "max_seqlen_q", "max_seqlen_k", "seqused_k")
    needed: ClassVar[tuple[tuple[str, ...], ...]] = (("cu_seqlens_q",), ("cu_seqlens_k",))
    usual: ClassVar[tuple[str, ...]] = metadata[:4]
    layouts: ClassVar[tuple[str, ...]] = ("thd",)

    def to_call(self, x: Inputs, call: Call) -> Call:
        """The rows that are there, and where each entry begins."""
        q, k, v = call.arrays.values()
        allocated = self._allocated("k", x, k)
        values = self.of_queries(x, q) | {
            "cu_seqlens_k": offsets(allocated),
            "max_seqlen_k": int(allocated.max(initial=0)),
            "seqused_k": lengths_of(x, "k", k).astype(np.int32),
        }
        arrays = {"q": self.queries(x, q), "k": rows(k, allocated), "v": rows(v, self._allocated("v", x, v))}
        return Call(arrays, self.taken(values, call))

    def _allocated(self, name: str, x: Inputs, array: np.ndarray) -> np.ndarray:
        """The rows of each entry in the call: all of them where another parameter says how many count."""
        used = "seqused_k" in self.description.metadata
        return np.full(array.shape[0], array.shape[2]) if used else lengths_of(x, name, array)

    def rows_in(self, x: Inputs, name: str) -> np.ndarray:
        """The rows of each entry in a result, or in the gradient of keys or values."""
        own = name[1:] if name in ("dk", "dv") else ""
        return self._allocated(own, x, getattr(x, own)) if own else super().rows_in(x, name)

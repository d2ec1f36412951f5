"""Cache append: new keys and values are written to the pages first, then every query attends to all of them, as in flash-attention.

`f(q, k_pages, v_pages, *, block_table, seqused_k, k_new, v_new, ...)`: entry b has seqused_k[b] keys before the call, and as many
more behind it as k_new [B, n, Hkv, D] has rows; where cu_seqlens_k_new [B + 1] is taken, k_new is [T, Hkv, D], and entry b has the
rows from its offset to the next. The table has pages for all of them. The call leaves the new keys in their slots, and every other
slot as it was.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import ClassVar

import numpy as np

from attention_specs.forms.paged import Paged, Pages, tables
from attention_specs.forms.ragged import lengths_of, offsets, there
from attention_specs.spec import Call, Inputs

NEW = {
    "none": "no new key",
    "one": "one new key",
    "queries": "a new key for each query",
    "any": "some new keys",
    "all": "new keys alone",
}
"""How many keys of an entry come with the call, at most as many as it has: name -> in words."""


class Appending(Paged):
    """Keys in pages, the last of them handed over beside these."""

    name: ClassVar[str] = "cache_append"
    metadata: ClassVar[tuple[str, ...]] = (
        "block_table", "seqused_k", "k_new", "v_new", "cu_seqlens_k_new", "cu_seqlens_q", "max_seqlen_q", "max_seqlen_k",
    )  # fmt: skip
    needed: ClassVar[tuple[tuple[str, ...], ...]] = tuple((name,) for name in metadata[:4])
    usual: ClassVar[tuple[str, ...]] = metadata[:4]
    rows: ClassVar[tuple[str, ...]] = ("k_new", "v_new")
    written: ClassVar[tuple[str, ...]] = ("k_pages", "v_pages")

    def drawn(self, x: Inputs) -> Pages:
        """As for pages alone, and how many keys are new."""
        return replace(Pages.drawn(x), new=_rng(x).choice(tuple(NEW)))

    def note(self, x: Inputs) -> str:
        """The pages, and how many keys are new."""
        return f"{super().note(x)}, {NEW[self.drawn(x).new]}"

    def in_pages(self, x: Inputs, call: Call, pages: Pages) -> Call:
        """The call with its older keys in these pages. Raises Unsupported for keys and values that no table can hold together."""
        lengths, before = self._lengths(x, call, pages)
        table, cache = self.cache(call, pages, lengths, before, before)
        new = {f"{name}_new": self._rows(call.arrays[name], before, lengths) for name in ("k", "v")}
        longest = {"max_seqlen_k": int(lengths.max(initial=0)), "cu_seqlens_k_new": offsets(lengths - before)}
        return self.with_cache(x, call, cache, tables(table, before, pages.size) | new | longest)

    def left_behind(self, x: Inputs, call: Call) -> dict[str, np.ndarray]:
        """The pages with the new keys in their slots."""
        pages = self.drawn(x)
        lengths, before = self._lengths(x, call, pages)
        return self.cache(call, pages, lengths, before, lengths)[1]

    def _others(self, pages: Pages) -> dict[str, dict[str, Pages]]:
        """Kind -> name -> other pages, or other numbers of new keys in the same ones."""
        return super()._others(pages) | {"new": {text: replace(pages, new=new) for new, text in NEW.items() if new != pages.new}}

    @property
    def _packs(self) -> bool:
        return "cu_seqlens_k_new" in self.description.metadata

    def _lengths(self, x: Inputs, call: Call, pages: Pages) -> tuple[np.ndarray, np.ndarray]:
        """The keys of each entry, int [B], after the call and before it. Entries have equally many new ones in an array with padding."""
        k, q = call.arrays["k"], call.arrays["q"]
        lengths, queries = lengths_of(x, "k", k), np.resize(lengths_of(x, "q", q), k.shape[0])
        rng = _rng(x)
        most = {"none": 0 * lengths, "one": 0 * lengths + 1, "queries": queries, "all": lengths}
        most |= {"any": np.array([rng.randint(0, n) for n in lengths.tolist()], int)}
        new = np.minimum(most[pages.new], lengths)
        return lengths, lengths - (new if self._packs else new.min(initial=k.shape[2]))

    def _rows(self, array: np.ndarray, before: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """The new keys of [B, H, L, D], [T, H, D] or [B, n, H, D]."""
        longest = array.shape[2]
        packed: np.ndarray = array.transpose(0, 2, 1, 3)[there(lengths, longest) & ~there(before, longest)]
        entries = array.shape[0]
        return packed if self._packs else packed.reshape(entries, len(packed) // max(entries, 1), *packed.shape[1:])


def _rng(x: Inputs) -> Random:
    """By the lengths and sizes alone, as the pages."""
    lengths = getattr(x, "key_lengths", None)
    return Random(f"new {x.score_shape} {None if lengths is None else lengths.tolist()}")

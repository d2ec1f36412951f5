"""Paged: keys and values in the pages of a cache, as serving engines keep them.

`f(q, k_pages [P, page, Hkv, D], v_pages [P, page, Hkv, Dv], *, block_table [B, blocks], seqused_k [B], ...)`, int32. Key j of entry b
lies in the page block_table[b, j // page], in the slot j % page. Instead of a table there may be kv_indptr [B + 1], kv_indices and
kv_last_page_len [B]: entry b has the pages kv_indices[kv_indptr[b] : kv_indptr[b + 1]], the last of them filled so far. The layout
"hnd" has pages [P, Hkv, page, D].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import ClassVar

import numpy as np

from attention_specs.forms.ragged import Ragged, lengths_of, offsets, there
from attention_specs.spec import Call, Inputs, Unsupported

SIZES = (1, 2, 8, 16, 64, 256)
"""Slots of a page."""

OTHER_SIZES = 2
"""Sizes that a call is compared with."""

PADDINGS = ("0", "-1", "any page")
"""What stands in a table behind the pages of an entry."""

GARBAGE = 4.0, 9.0
"""The least and the greatest size of the numbers in slots that nobody may read, where NaN may spread."""


@dataclass(frozen=True)
class Pages:
    """How keys lie in pages. `order` and `garbage` are seeds, of the numbers of pages and of what nobody may read."""

    size: int
    order: int
    garbage: int
    shared: bool
    """Whether entries that begin alike share full pages."""
    padding: str
    spare: int
    """Pages that nobody has, and columns of the table beyond those that are needed."""
    poisoned: bool = True
    """Whether slots that nobody may read hold NaN, as far as the implementation declares that it may."""
    new: str = "none"
    """How many of the keys come with the call, of those that are called so in `appending`."""

    @classmethod
    def drawn(cls, x: Inputs) -> Pages:
        """Of the lengths and sizes alone, so that inputs with other numbers lie alike."""
        lengths = getattr(x, "key_lengths", None)
        rng = Random(f"{x.score_shape} {None if lengths is None else lengths.tolist()}")
        size, order, garbage = rng.choice(SIZES), rng.randrange(2**32), rng.randrange(2**32)
        return cls(size, order, garbage, rng.random() < 0.5, rng.choice(PADDINGS), rng.randrange(3))


class Paged(Ragged):
    """Keys in pages."""

    name: ClassVar[str] = "paged"
    arrays: ClassVar[tuple[str, ...]] = ("q", "k_pages", "v_pages")
    metadata: ClassVar[tuple[str, ...]] = (
        "block_table", "seqused_k", "kv_indptr", "kv_indices", "kv_last_page_len", "cu_seqlens_q", "max_seqlen_q", "max_seqlen_k",
    )  # fmt: skip
    needed: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("block_table", "kv_indices"), ("seqused_k", "kv_indptr"), ("seqused_k", "kv_last_page_len"),
    )  # fmt: skip
    usual: ClassVar[tuple[str, ...]] = metadata[:2]
    layouts: ClassVar[tuple[str, ...]] = ("nhd", "hnd")
    differentiable: ClassVar[bool] = False

    def drawn(self, x: Inputs) -> Pages:
        """How the keys of these inputs lie in pages."""
        return Pages.drawn(x)

    def to_call(self, x: Inputs, call: Call) -> Call:
        """The pages, and the table that finds them."""
        return self.in_pages(x, call, self.drawn(x))

    def note(self, x: Inputs) -> str:
        """The size of the pages, and what stands behind them in a table."""
        pages = self.drawn(x)
        padding = f", table padded with {pages.padding}" if "block_table" in self.description.metadata else ""
        return f"pages of {pages.size}{padding}"

    def in_pages(self, x: Inputs, call: Call, pages: Pages) -> Call:
        """The call with its keys in these pages. Raises Unsupported for keys and values that no table can hold together."""
        lengths = lengths_of(x, "k", call.arrays["k"])
        table, cache = self.cache(call, pages, lengths, lengths, lengths)
        return self.with_cache(x, call, cache, tables(table, lengths, pages.size) | {"max_seqlen_k": int(lengths.max(initial=0))})

    def with_cache(self, x: Inputs, call: Call, cache: dict[str, np.ndarray], values: dict[str, object]) -> Call:
        """The queries beside a cache, with those of the values that the function takes."""
        q = call.arrays["q"]
        return Call({"q": self.queries(x, q)} | cache, self.taken(self.of_queries(x, q) | values, call))

    def cache(
        self, call: Call, pages: Pages, lengths: np.ndarray, settled: np.ndarray, written: np.ndarray
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The table, and the pages by name. There is place for `lengths` keys of each entry, those that are settled may lie in shared
        pages, and those that are written are there. Raises Unsupported.
        """
        k, v = call.arrays["k"], call.arrays["v"]
        if k.shape[0] != v.shape[0] or k.shape[2] != v.shape[2]:
            raise Unsupported("keys and values of other lengths have no pages in common")
        rng, arrays = np.random.default_rng(pages.garbage), dict[str, np.ndarray]()
        table, blocks = numbered(k, v, lengths, settled, pages, rng)
        count = max(blocks.max(initial=-1) + 1 + pages.spare, 1)  # a cache has a page
        for name, array in (("k", k), ("v", v)):
            arrays[f"{name}_pages"] = self._laid_out(filled(array, written, blocks, self._empty(name, array, count, pages, rng)))
        return table, arrays

    def otherwise(self, x: Inputs, call: Call, kind: str) -> Iterator[tuple[str, Call]]:
        """Other pages: in another order, of another size, with other garbage, shared or not."""
        for what, pages in self._others(self.drawn(x)).get(kind, {}).items():
            yield what, self.in_pages(x, call, pages)
        yield from super().otherwise(x, call, kind)

    def _others(self, pages: Pages) -> dict[str, dict[str, Pages]]:
        """Kind -> name -> other pages: few sizes and one padding of each call, since other calls have the others."""
        garbage, rng = replace(pages, garbage=pages.garbage + 1, spare=pages.spare + 1, poisoned=False), Random(pages.order)
        sizes = rng.sample([size for size in SIZES if size != pages.size], OTHER_SIZES)
        paddings = [rng.choice([padding for padding in PADDINGS if padding != pages.padding])]
        return {
            "order": {"pages in another order": replace(pages, order=pages.order + 1)},
            "size": {f"pages of {size}": replace(pages, size=size) for size in sizes},
            "unused": {f"other garbage, padding of the table {other}": replace(garbage, padding=other) for other in paddings},
            "shared": {f"pages {'not ' * (not shared)}shared": replace(pages, shared=shared) for shared in (True, False)},
        }

    def _laid_out(self, pages: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(pages.transpose(0, 2, 1, 3)) if self.description.layout == "hnd" else pages

    def _empty(self, name: str, array: np.ndarray, count: int, pages: Pages, rng: np.random.Generator) -> np.ndarray:
        """Pages that hold nothing but what nobody may read, [P, page, H, D]."""
        shape = (count, pages.size, array.shape[1], array.shape[3])
        safe = self.description.conventions.masked_nan_safe
        if pages.poisoned and (safe is True or safe == {"k": "keys", "v": "values"}[name]):
            return np.full(shape, np.nan, array.dtype)
        return (rng.uniform(*GARBAGE, shape) * rng.choice((-1.0, 1.0), shape)).astype(array.dtype)


def numbered(
    k: np.ndarray, v: np.ndarray, lengths: np.ndarray, settled: np.ndarray, pages: Pages, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The table, int32 [B, blocks], with its padding; and the page of each block, -1 behind the last one of an entry."""
    own = there(-(-lengths // pages.size), -(-k.shape[2] // pages.size) + pages.spare)
    first = np.arange(own.sum())
    if pages.shared:
        first = np.array(_first_alike(k, v, settled, own, pages.size), int)
    order = np.random.default_rng(pages.order).permutation(first.max(initial=-1) + 1 + pages.spare)
    blocks, table = np.full(own.shape, -1), np.full(own.shape, {"-1": -1}.get(pages.padding, 0), np.int32)
    if pages.padding == "any page" and order.size:
        table[...] = rng.integers(0, order.size, own.shape)
    blocks[own] = table[own] = order[first]
    return table, blocks


def _first_alike(k: np.ndarray, v: np.ndarray, settled: np.ndarray, own: np.ndarray, size: int) -> list[int]:
    """The number of each block's page: full pages with the same content are one."""
    of_keys, of_values = (a.transpose(0, 2, 1, 3).copy() for a in (k, v))
    known, numbers, following = dict[bytes, int](), list[int](), 0
    for entry, block in np.argwhere(own).tolist():
        rows = slice(block * size, (block + 1) * size)
        full = rows.stop <= settled[entry]
        content = of_keys[entry, rows].tobytes() + of_values[entry, rows].tobytes() if full else b""
        number = known.setdefault(content, following) if content else following
        following += number == following
        numbers.append(number)
    return numbers


def filled(array: np.ndarray, lengths: np.ndarray, blocks: np.ndarray, pages: np.ndarray) -> np.ndarray:
    """The pages [P, page, H, D] with the rows of [B, H, L, D] in their slots."""
    entry, key = np.nonzero(there(lengths, array.shape[2]))
    pages[blocks[entry, key // pages.shape[1]], key % pages.shape[1]] = array.transpose(0, 2, 1, 3)[entry, key]
    return pages


def tables(table: np.ndarray, lengths: np.ndarray, size: int) -> dict[str, object]:
    """The table in both ways. A last page that is full has as many slots as any, and an entry without keys has no page."""
    needed = -(-lengths // size)
    return {
        "block_table": table,
        "seqused_k": lengths.astype(np.int32),
        "kv_indptr": offsets(needed),
        "kv_indices": table[there(needed, table.shape[1])],
        "kv_last_page_len": ((lengths - 1) % size + 1).astype(np.int32),
    }

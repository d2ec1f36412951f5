"""Flat: the heads of an array side by side in its last axis, as projections leave them.

`f(q [B, Lq, Hq * D], k [B, Lk, Hkv * D], v [B, Lk, Hkv * Dv], *, query_heads, key_heads, ...)` gives out [B, Lq, Hq * Dv]. Several
arrays may come in one: `qkv` [B, L, (Hq + 2 Hkv) * D], `kv` [B, Lk, 2 * Hkv * D]. The layout "3hd" has all heads of the queries
first, then those of the keys, then those of the values; "h3d" has for each key head its query heads, the key head, its value head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from attention_specs.attention.domain import Condition, Domain
from attention_specs.contract import CACHE, FUSED
from attention_specs.forms.padded import Padded, neutral
from attention_specs.spec import Call, Inputs, Unsupported

SINGLE = ("q", "k", "v", *CACHE)


class Flat(Padded):
    """Three axes: batch, position, and heads with their dimensions."""

    name: ClassVar[str] = "flat"
    metadata: ClassVar[tuple[str, ...]] = ("query_heads", "key_heads")
    needed: ClassVar[tuple[tuple[str, ...], ...]] = (("query_heads",),)
    usual: ClassVar[tuple[str, ...]] = metadata
    layouts: ClassVar[tuple[str, ...]] = ("3hd", "h3d")
    alike: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "qkv": ("query_length == key_length", "head_dim == value_dim"),
        "kv": ("head_dim == value_dim",),
    }
    fused_place: ClassVar[str] = "along the last axis"

    @property
    def fused(self) -> dict[str, tuple[str, ...]]:
        """Array of several -> those that lie in it."""
        return {name: FUSED[name] for name in self.description.positional if name in FUSED}

    def to_call(self, x: Inputs, call: Call) -> Call:
        """Flat arrays, those of several in one, and the numbers of heads that the function takes."""
        heads = {"query_heads": call.arrays["q"].shape[1], "key_heads": call.arrays["k"].shape[1]}
        self._refuse_untold(heads)
        arrays = {name: joined([array]) for name, array in call.arrays.items()}
        for name, parts in self.fused.items():
            arrays[name] = self._in_one(name, [call.arrays[part] for part in parts])
        apart = {part for parts in self.fused.values() for part in parts}
        order = [name for name in (*self.description.positional, *arrays) if name in arrays and name not in apart]
        given = {name: neutral(name, call.arrays) for name in self.description.needed} | call.options
        options = {name: joined([o]) if name in CACHE and isinstance(o, np.ndarray) else o for name, o in given.items()}
        return Call({name: arrays[name] for name in order}, options | {name: heads[name] for name in self.description.metadata})

    def _refuse_untold(self, heads: Mapping[str, int]) -> None:
        """Unsupported for numbers of heads that the function neither takes nor has in its domain: its arrays do not show them."""
        conditions = (Condition.parsed(text) for text in self.description.domain)
        about_heads = Domain(tuple(one for one in conditions if {*one.fields} <= {*heads}))
        if not {*heads} <= {*self.description.metadata} and (broken := about_heads.broken(heads)):
            taken = ", ".join(self.description.metadata) or "no number of heads"
            raise Unsupported(
                f"heads={heads['query_heads']} and {heads['key_heads']}, but should have {broken}: it is told {taken}"
            )

    def _in_one(self, name: str, parts: Sequence[np.ndarray]) -> np.ndarray:
        if len({(a.shape[0], *a.shape[2:]) for a in parts}) > 1:
            shapes = ", ".join(str(a.shape) for a in parts)
            raise Unsupported(f"shapes={shapes}, but should differ in their heads alone: they lie in {name}")
        return joined(parts, self._groups(parts))

    def _groups(self, parts: Sequence[np.ndarray]) -> int:
        return 1 if self.description.layout == "3hd" else max(parts[-1].shape[1], 1)

    def holder(self, name: str) -> str:
        """The argument in which this array lies."""
        return next((holder for holder, parts in self.fused.items() if name in parts), name)

    def part(self, x: Inputs, name: str, array: np.ndarray) -> np.ndarray:
        """Of the gradient of an argument, that of this array, flat; one of a wrong shape as it is."""
        names = self.fused.get(self.holder(name), ())
        wholes = [getattr(x, one) for one in names]
        if not names or array.shape != self._in_one(self.holder(name), wholes).shape:
            return array
        parts = parted(array, [one.shape for one in wholes], self._groups(wholes))
        return joined([parts[names.index(name)]])

    def shape(self, x: Inputs, name: str) -> tuple[int, ...]:
        """Of a result in this form."""
        whole = super().shape(x, name)
        if name[1:] not in SINGLE and name != "out":
            return whole
        return whole[0], whole[2], whole[1] * whole[3]

    def from_answer(self, x: Inputs, name: str, array: np.ndarray) -> np.ndarray:
        """A result with its heads apart."""
        whole = super().shape(x, name)
        return array if self.shape(x, name) == whole else parted(array, [whole])[0]

    def to_answer(self, x: Inputs, name: str, array: np.ndarray) -> np.ndarray:
        """A result with its heads side by side."""
        return array if self.shape(x, name) == super().shape(x, name) else joined([array])


def joined(parts: Sequence[np.ndarray], groups: int = 1) -> np.ndarray:
    """[B, H, L, D] each -> [B, L, sum of H * D], the heads of one after those of another within each group of them."""
    batch, _, length, dim = parts[0].shape
    grouped = [a.reshape(batch, groups, a.shape[1] // groups, length, dim) for a in parts]
    whole = np.concatenate(grouped, 2)
    return whole.transpose(0, 3, 1, 2, 4).reshape(batch, length, groups * whole.shape[2] * dim)


def parted(flat: np.ndarray, shapes: Sequence[tuple[int, ...]], groups: int = 1) -> list[np.ndarray]:
    """The way back: arrays of these shapes, [B, H, L, D] each."""
    batch, _, length, dim = shapes[0]
    heads = [shape[1] // groups for shape in shapes]
    whole = flat.reshape(batch, length, groups, sum(heads), dim).transpose(0, 2, 3, 1, 4)
    parts = np.split(whole, np.cumsum(heads)[:-1], axis=2)
    return [np.ascontiguousarray(part).reshape(shape) for part, shape in zip(parts, shapes, strict=True)]

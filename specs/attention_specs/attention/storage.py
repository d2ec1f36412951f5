"""Numbers of eight bits with their scales: how queries, keys and values are stored, and which numbers they stand for.

A stored number is a code of the format times its scale. Scales that a run draws are powers of two between 1 and 8, other ones
for each head, token or block, and every number has a code under each of them: so the same numbers are stored wherever they
stand, and an implementation that drops a scale, or takes that of another place, gets other numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from attention_specs.choices import one_of
from attention_specs.formats import FORMATS, STORED, largest

ARRAYS = ("kv", "qkv", "k", "v")
"""The arrays that may be stored so: keys and values are a cache."""
SCALES = ("tensor", "head", "token", "block")
"""What a scale is for: float32 of shape [1], [H], [B, H, L], or [B, H, blocks of BLOCK tokens]."""
BLOCK = 16
"""Tokens of a block, the last one may have fewer."""
SPREAD = 4
"""Scales are 2^0 to 2^(SPREAD - 1)."""
OPTION = {"q": "q_scale", "k": "k_scale", "v": "v_scale"}
"""Array -> the option that has its scales."""
POISON_BYTE = 0x7F
"""In the gaps of a strided array: NaN in e4m3fn and in e5m2."""


@dataclass(frozen=True)
class Storage:
    """The format in which some arrays are stored, and what has a scale of its own."""

    format: str
    arrays: str = "kv"
    scales: str = "tensor"

    @classmethod
    def declared(cls, attributes: object) -> Storage | None:
        """From a plain mapping, such as {"format": "float8_e4m3fn", "arrays": "kv", "scales": "head"}; None from an empty one.

        ValueError for anything else.
        """
        if not isinstance(attributes, Mapping):
            raise ValueError(f"storage={attributes}, but should be a dict")
        choices = {"format": STORED, "arrays": ARRAYS, "scales": SCALES}
        for name, value in attributes.items():
            one_of("storage", name, choices)
            one_of(f"{name} of storage", value, choices[name])
        if attributes and "format" not in attributes:
            raise ValueError(f"storage without format, but should have one of {', '.join(STORED)}")
        return cls(**attributes) if attributes else None

    @property
    def options(self) -> tuple[str, ...]:
        """The options that have the scales."""
        return tuple(OPTION[name] for name in self.arrays)

    def snapped(self, a: np.ndarray) -> np.ndarray:
        """The nearest numbers that have a code under every scale, in the dtype and memory layout of a: largest numbers saturate."""
        most, coarse, wide = largest(self.format), 2.0 ** (SPREAD - 1), a.astype(np.float64)
        kept = np.clip(wide / coarse, -most / coarse, most / coarse).astype(self.kind).astype(np.float64) * coarse
        endless = np.isinf(wide) & bool(np.isinf(np.array(np.inf).astype(self.kind)))
        kept = np.where(endless, wide, kept)
        return a if np.array_equal(kept, wide, equal_nan=True) else _placed_as(a, kept.astype(a.dtype))

    def keeps(self, a: np.ndarray) -> bool:
        """Whether every number of a is stored as it is."""
        return self.snapped(a) is a

    @property
    def kind(self) -> np.dtype:
        """Of the codes."""
        return np.dtype(FORMATS[self.format].kind)

    def scale_of(self, name: str, shape: tuple[int, ...], factor: float = 1.0) -> np.ndarray:
        """The scales of an array [B, H, L, D], float32: powers of two, each times the factor."""
        batch, heads, length, _ = shape
        b, h, j = np.ix_(np.arange(batch), np.arange(heads), np.arange(length))
        first = "qkv".index(name) + 1
        places = {
            "tensor": np.zeros(1, int),
            "head": h[0, :, 0],
            "token": b + h + 3 * j,
            "block": (b + h + 3 * (j // BLOCK))[..., ::BLOCK],
        }
        return np.asarray(factor * 2.0 ** ((first + places[self.scales]) % SPREAD), np.float32)

    def of_tokens(self, scale: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The scale of each token, broadcastable to [B, H, L, 1]."""
        if self.scales == "block":
            return np.repeat(scale, BLOCK, axis=2)[:, :, : shape[2], None]
        return scale[..., None] if self.scales == "token" else scale.reshape(-1, 1, 1)

    def codes(self, name: str, a: np.ndarray) -> np.ndarray:
        """The codes of numbers that have some, [B, H, L, D], in the memory layout of a; one memory for all holds no other scales."""
        power = self.of_tokens(self.scale_of(name, a.shape), a.shape)
        codes = (a.astype(np.float64) / power).astype(self.kind)
        return codes if 0 in a.strides and power.size > 1 else _placed_as(a, codes)


def _placed_as(a: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The values on memory of their own, with the strides of a, as many elements apart."""
    if not a.size:
        return values
    strides = [stride // a.itemsize for stride in a.strides]
    reaches = [stride * (length - 1) for stride, length in zip(strides, a.shape, strict=True)]
    before = -sum(reach for reach in reaches if reach < 0)
    memory = np.full((1 + sum(map(abs, reaches))) * values.itemsize, POISON_BYTE, np.uint8)
    apart = [stride * values.itemsize for stride in strides]
    placed: np.ndarray = np.ndarray(a.shape, values.dtype, memory, before * values.itemsize, apart)
    placed[...] = values
    if not a.flags.writeable:
        placed.flags.writeable = False
    return placed

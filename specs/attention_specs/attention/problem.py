"""A problem of attention: one question, without arrays."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from attention_specs.biases import Bias
from attention_specs.case import Question
from attention_specs.masks import Mask

Window = tuple[int | None, int | None]


@dataclass(frozen=True)
class Problem(Question):
    """Sizes, dtype and options. Options mean what `attention.md` says; None means "not given"."""

    spec: ClassVar[str] = "attention"
    sizes: ClassVar[int] = 8

    batch: int = 1
    query_heads: int = 1
    key_heads: int = 1
    query_length: int = 1
    key_length: int = 1
    head_dim: int = 1
    value_dim: int = 1
    dtype: str = "float32"
    mask: Mask | None = None
    bias: Bias | None = None
    is_causal: bool = False
    window: Window | None = None
    scale: float | None = None
    softcap: float | None = None
    sinks: float | None = None
    query_lengths: tuple[int, ...] | None = None
    key_lengths: tuple[int, ...] | None = None
    past: int | None = None
    """So many of the keys come first, from a cache: query i stands at position past + i."""

    def __post_init__(self) -> None:
        if not 0 <= (self.past or 0) <= self.key_length:
            raise ValueError(f"past={self.past}, but should be at most key_length={self.key_length}")
        if self.key_heads and self.query_heads % self.key_heads:
            raise ValueError(f"query_heads={self.query_heads}, but should be a multiple of key_heads={self.key_heads}")

    @property
    def score_shape(self) -> tuple[int, int, int, int]:
        """[batch, query heads, query length, key length]."""
        return self.batch, self.query_heads, self.query_length, self.key_length

    @property
    def numbers(self) -> int:
        """Elements of the largest of q, k, v and the output."""
        rows = max(self.query_heads * self.query_length, self.key_heads * self.key_length)
        return self.batch * rows * max(self.head_dim, self.value_dim)

    @property
    def products(self) -> int:
        """Multiplications of the two matrix products."""
        return prod(self.score_shape) * (self.head_dim + self.value_dim)

    def __str__(self) -> str:
        heads = f"Hq={self.query_heads} Hkv={self.key_heads}"
        sizes = f"B={self.batch} {heads} Lq={self.query_length} Lk={self.key_length} D={self.head_dim} Dv={self.value_dim}"
        return " ".join([sizes, self.dtype, *self.options()])

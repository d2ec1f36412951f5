"""A problem of the multi-head layer: four projections around one attention per head (Vaswani et al. 2017, section 3.2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from attention_specs.case import Question
from attention_specs.masks import Mask

FIXABLE = ("w_q", "w_k", "w_v", "w_o", "b_q", "b_k", "b_v", "b_o")
"""Arguments that a layer may lack."""


@dataclass(frozen=True)
class LayerProblem(Question):
    """Sizes, dtype and options. With `self_attention`, key and value are the query's array."""

    spec: ClassVar[str] = "multi-head"
    sizes: ClassVar[int] = 6

    batch: int = 1
    heads: int = 1
    query_length: int = 1
    key_length: int = 1
    d_model: int = 1
    dtype: str = "float32"
    mask: Mask | None = None
    self_attention: bool = False
    fixed: tuple[str, ...] = ()
    """Biases that are 0 and weights that are the identity, `("b_q", "w_o")`: for layers that have none."""
    key_heads: int | None = None
    """Heads of keys and values that are not the same: the heads that share one have equal columns of w_k and w_v."""

    def __post_init__(self) -> None:
        if self.heads < 1:
            raise ValueError(f"heads={self.heads}, but should be at least 1")
        if self.key_heads is not None and (self.key_heads < 1 or self.heads % self.key_heads):
            raise ValueError(f"heads={self.heads}, but should be a multiple of key_heads={self.key_heads}")
        if self.d_model % self.heads:
            raise ValueError(f"d_model={self.d_model}, but should be a multiple of heads={self.heads}")
        if self.self_attention and self.key_length != self.query_length:
            raise ValueError(f"key_length={self.key_length}, but should be query_length={self.query_length} with self_attention")
        if unknown := [name for name in self.fixed if name not in FIXABLE]:
            raise ValueError(f"fixed={unknown[0]}, but should be among {', '.join(FIXABLE)}")

    @property
    def head_dim(self) -> int:
        """Dimension of each head."""
        return self.d_model // self.heads

    @property
    def score_shape(self) -> tuple[int, int, int, int]:
        """[batch, heads, query length, key length]."""
        return self.batch, self.heads, self.query_length, self.key_length

    @property
    def numbers(self) -> int:
        """Elements of the largest of the inputs and weights."""
        return self.d_model * max(self.d_model, self.batch * max(self.query_length, self.key_length))

    @property
    def products(self) -> int:
        """Multiplications of the projections and of attention."""
        projected = 2 * self.batch * (self.query_length + self.key_length) * self.d_model**2
        return projected + 2 * prod(self.score_shape) * self.head_dim

    def __str__(self) -> str:
        sizes = f"B={self.batch} H={self.heads} Lq={self.query_length} Lk={self.key_length} d={self.d_model}"
        return " ".join([sizes, self.dtype, *self.options()])

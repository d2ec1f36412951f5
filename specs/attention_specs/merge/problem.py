"""A problem of merging: the outputs and log-sum-exps of two sets of keys, which are its two keys."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from attention_specs.case import Question
from attention_specs.masks import Mask

PARTS = 2


@dataclass(frozen=True)
class MergeProblem(Question):
    """Sizes and dtype of the outputs; it has no options. The two parts are what keys are to an attention."""

    spec: ClassVar[str] = "merge"
    sizes: ClassVar[int] = 5

    batch: int = 1
    heads: int = 1
    query_length: int = 1
    value_dim: int = 1
    dtype: str = "float32"

    @property
    def key_length(self) -> int:
        """The parts."""
        return PARTS

    @property
    def head_dim(self) -> int:
        """Dimension of each head: that of the values."""
        return self.value_dim

    @property
    def mask(self) -> Mask | None:
        """None: a part without keys says so by its log-sum-exp."""
        return None

    @property
    def score_shape(self) -> tuple[int, int, int, int]:
        """[batch, heads, query length, parts]."""
        return self.batch, self.heads, self.query_length, PARTS

    @property
    def numbers(self) -> int:
        """Elements of an output."""
        return prod(self.score_shape[:3]) * self.value_dim

    @property
    def products(self) -> int:
        """Multiplications of weights and outputs."""
        return PARTS * self.numbers

    def __str__(self) -> str:
        return f"B={self.batch} H={self.heads} Lq={self.query_length} Dv={self.value_dim} {self.dtype}"

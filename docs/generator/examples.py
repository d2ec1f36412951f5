"""The sizes and arguments of masks and biases in the pictures."""

from __future__ import annotations

from typing import Any, TypeVar

from attention_specs import masks
from attention_specs.attention.problem import Problem

Thing = TypeVar("Thing")


class TellingDraws:
    """The choices of `attention_specs.draws.Draws`, each one that a small picture shows well."""

    shape = Problem(batch=2, query_heads=2, key_heads=2, query_length=6, key_length=9)

    def seed(self) -> int:
        """The first seed."""
        return 0

    def axes(self) -> str:
        """Every axis."""
        return "bhij"

    def position(self, length: int) -> int:
        """A position inside."""
        return length // 3

    def length(self, most: int) -> int:
        """About half."""
        return most // 2

    def lengths(self, most: int) -> tuple[int, ...]:
        """A shorter entry and a full one."""
        return most // 2, most

    def number(self, name: str, *special: float) -> float:
        """The first of the special numbers."""
        return special[0]

    def one_of(self, *values: Thing) -> Thing:
        """The first value."""
        return values[0]

    def window(self) -> tuple[int | None, int | None]:
        """Two keys to the left, one to the right."""
        return 2, 1

    def mask(self) -> Any:
        """Causality."""
        return masks.causal()

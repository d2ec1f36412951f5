"""The choices from which a mask or a bias is drawn; the generator of cases makes them."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

Thing = TypeVar("Thing")


class Shape(Protocol):
    """The sizes of the problem that a mask or a bias is drawn for."""

    @property
    def batch(self) -> int:
        """Its entries."""

    @property
    def query_length(self) -> int:
        """Queries of each entry."""

    @property
    def key_length(self) -> int:
        """Keys of each entry."""


class Draws(Protocol):
    """Values for the arguments of a mask or a bias, with the telling ones more often."""

    @property
    def shape(self) -> Shape:
        """The sizes of the problem."""

    def seed(self) -> int:
        """Any seed of 32 bits."""

    def axes(self) -> str:
        """A subset of "bhij": the axes along which a random array varies."""

    def position(self, length: int) -> int:
        """A position below `length`; 0 where there is none."""

    def length(self, most: int) -> int:
        """A length up to `most`, often at the edge of a block, counted from either end."""

    def lengths(self, most: int) -> tuple[int, ...]:
        """A length for each entry of the batch."""

    def number(self, name: str, *special: float) -> float:
        """One of the special numbers in half of the draws, else any of the range of that name."""

    def one_of(self, *values: Thing) -> Thing:
        """One of these values."""

    def window(self) -> tuple[int | None, int | None]:
        """The sides of a window; None is an open one."""

    def mask(self) -> Any:
        """A mask of any kind."""

"""The choices from which a mask or a bias is drawn, and its random numbers; the generator of cases makes the choices.

The numbers depend on an index alone, and on no shape: a mask or a bias drawn this way keeps its cells when a problem is made
smaller, so a failure survives shrinking.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import numpy as np

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


def uniform(seed: int, *indices: Any) -> np.ndarray:
    """Numbers in [0, 1), one for each combination of the broadcast indices.

    The finaliser of SplitMix64 (Steele, Lea and Flood 2014) over a running combination of the indices.
    """
    state = np.full(np.broadcast_shapes(*(np.shape(i) for i in indices)), seed, np.uint64)
    for index in indices:
        state = _mix(state + np.uint64(0x9E3779B97F4A7C15) + np.asarray(index).astype(np.uint64))
    return (state >> np.uint64(11)) * 2.0**-53


def _mix(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))

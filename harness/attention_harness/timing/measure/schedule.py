"""Order of a timing: rounds of rows; in each row every candidate has one slot, in an order of its own.

Random order within rows makes ratios comparable: with blocks of one candidate after the other, or a fixed order,
identical code came out as different in up to 28 % and 49 % of trials.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isqrt

import numpy as np

SLOT_SECONDS = 1e-3
"""Long against the resolution of the clock, short against a slice of the operating system's scheduler."""

FEWEST_ROUNDS, ROUNDS, MOST_ROUNDS = 3, 5, 40
LOOKS = (5, 10, 20)
"""After so many rounds a workload may end early, if all intervals are narrow by then."""


@dataclass(frozen=True)
class Slot:
    """One turn of a candidate: a first call with cold caches, timed apart, then `inner` ones from copy `start` of the inputs on.

    `keep` asks for the output of that one of the `inner` calls.
    """

    name: str
    inner: int
    start: int
    keep: int | None = None


@dataclass(frozen=True)
class Size:
    """Rounds, rows per round, and timed calls per slot of each candidate."""

    rounds: int
    rows: int
    inner: Mapping[str, int]


def size(steady: Mapping[str, float], seconds: float) -> Size:
    """The size that fits into `seconds`, given the seconds of one call of each candidate; three rounds of one row at least.

    As many rounds as rows in each, so that the median of a round and the interval over rounds both become narrower with time.
    """
    inner = {name: max(1, ceil(SLOT_SECONDS / max(call, 1e-7))) for name, call in steady.items()}
    row = sum((1 + inner[name]) * call for name, call in steady.items())
    rows = int(seconds / max(row, 1e-6))
    rounds = min(max(isqrt(rows), ROUNDS), MOST_ROUNDS) if rows >= ROUNDS else max(rows, FEWEST_ROUNDS)
    return Size(rounds, max(rows // rounds, 1), inner)


def order(plan: Size, copies: int, rng: np.random.Generator) -> list[list[Slot]]:
    """The slots of one round, row by row: a fresh permutation each, and of each candidate one output kept, of any call."""
    names = sorted(plan.inner)
    kept = {name: (int(rng.integers(plan.rows)), int(rng.integers(plan.inner[name]))) for name in names}
    return [[_slot(plan, name, copies, kept[name], row, rng) for name in _shuffled(names, rng)] for row in range(plan.rows)]


def _shuffled(names: Sequence[str], rng: np.random.Generator) -> list[str]:
    return [names[i] for i in rng.permutation(len(names))]


def _slot(plan: Size, name: str, copies: int, kept: tuple[int, int], row: int, rng: np.random.Generator) -> Slot:
    return Slot(name, plan.inner[name], int(rng.integers(copies)), kept[1] if row == kept[0] else None)

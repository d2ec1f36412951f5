"""In what order what is timed: rounds of rows, and in each row every candidate has one slot, in an order of its own.

Random order within rows is what makes ratios comparable: with blocks of one candidate after the other, or a fixed order,
identical code came out as different in up to 28 % and 49 % of trials.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

SLOT_SECONDS = 1e-3
"""Long against the resolution of the clock, short against a slice of the operating system's scheduler."""

ROWS = 6
FEWEST_ROUNDS, ROUNDS, MOST_ROUNDS = 3, 5, 20


@dataclass(frozen=True)
class Slot:
    """One turn of a candidate: an untimed call, then `inner` timed ones from copy `start` of the inputs on.

    `keep` asks for the output of the last timed call.
    """

    name: str
    inner: int
    start: int
    keep: bool = False


@dataclass(frozen=True)
class Size:
    """Rounds, rows per round, and timed calls per slot of each candidate."""

    rounds: int
    rows: int
    inner: Mapping[str, int]


def size(steady: Mapping[str, float], seconds: float) -> Size:
    """What fits into `seconds`, given the seconds of one call of each candidate; three rounds of one row at least."""
    inner = {name: max(1, ceil(SLOT_SECONDS / max(call, 1e-7))) for name, call in steady.items()}
    row = sum((1 + inner[name]) * call for name, call in steady.items())
    rows = int(seconds / max(row, 1e-6))
    rounds = min(max(rows // ROWS, ROUNDS), MOST_ROUNDS) if rows >= ROUNDS else max(rows, FEWEST_ROUNDS)
    return Size(rounds, min(max(rows // rounds, 1), ROWS), inner)


def order(plan: Size, copies: int, rng: np.random.Generator) -> list[list[Slot]]:
    """The slots of one round, row by row: a fresh permutation each, and of each candidate one output kept."""
    names = sorted(plan.inner)
    kept = {name: int(rng.integers(plan.rows)) for name in names}
    return [[_slot(plan, name, copies, row == kept[name], rng) for name in _shuffled(names, rng)] for row in range(plan.rows)]


def _shuffled(names: Sequence[str], rng: np.random.Generator) -> list[str]:
    return [names[i] for i in rng.permutation(len(names))]


def _slot(plan: Size, name: str, copies: int, keep: bool, rng: np.random.Generator) -> Slot:
    return Slot(name, plan.inner[name], int(rng.integers(copies)), keep)

"""What crosses the pipe between a timing and the process that runs the candidates. Failures are harness.messages.Failure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.timing.schedule import Slot


@dataclass(frozen=True)
class Load:
    """Import the candidate at `location` and keep it as `name`. Answer: its Description."""

    name: str
    target: str
    location: str


@dataclass(frozen=True)
class Open:
    """Begin a workload: forget the last one's arrays, make these cases' (as JSON). Answer: True."""

    cases: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class First:
    """The first calls: one per copy of the inputs. Answer: Tried."""

    name: str


@dataclass(frozen=True)
class Tried:
    """Seconds of each call, the first with its compilation, and the outputs, one per copy."""

    seconds: tuple[float, ...]
    outputs: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Warm:
    """Call until steady, for `cap` seconds at most. Answer: Warmed."""

    name: str
    cap: float


@dataclass(frozen=True)
class Warmed:
    """Median seconds of the last calls, how many there were, and whether they had become steady."""

    seconds: float
    calls: int
    steady: bool


@dataclass(frozen=True)
class Round:
    """Run these rows of slots, with the contents of the copies moved on by `shift`. Answer: Ran."""

    rows: list[list[Slot]]
    shift: int


@dataclass(frozen=True)
class Ran:
    """Seconds per call by candidate and row; kept outputs as (candidate, copy, output); who wrote to its inputs; the load.

    `others` is the share of the machine that other processes used; `cores` how many processors we used, 1 for one thread.
    """

    seconds: dict[str, list[float]]
    outputs: list[tuple[str, int, np.ndarray]]
    wrote: tuple[str, ...]
    others: float
    cores: float


@dataclass(frozen=True)
class Memory:
    """One call with memory watched instead of the clock. Answer: bytes above those before the call, or NaN."""

    name: str

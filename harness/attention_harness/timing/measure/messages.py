"""Messages between a timing and the process that runs the candidates, and their answers. A failure is that of a worker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from attention_harness.timing.measure.ceilings import Ceilings
from attention_harness.timing.measure.schedule import Slot
from attention_specs.contract import Description

Outputs = dict[str, np.ndarray]
"""`out`, and in training also `dq`, `dk` and `dv`."""

Reply = TypeVar("Reply", covariant=True)


class Message(Generic[Reply]):
    """A message, and the type of its answer."""


@dataclass(frozen=True)
class Load(Message[Description]):
    """Import the candidate at `location` and keep it as `name`."""

    name: str
    target: str
    location: str
    declared: str = ""


@dataclass(frozen=True)
class Open(Message[bool]):
    """Begin a workload: forget the last one's arrays, make these cases' (as JSON). The answer is True."""

    cases: tuple[dict[str, object], ...]
    direction: str = "forward"


@dataclass(frozen=True)
class FirstCalls:
    """Seconds of each call, the first with its compilation, and the outputs, one per copy."""

    seconds: tuple[float, ...]
    outputs: tuple[Outputs, ...]


@dataclass(frozen=True)
class First(Message[FirstCalls]):
    """The first calls: one per copy of the inputs."""

    name: str


@dataclass(frozen=True)
class WarmUp:
    """Median seconds of the last calls, the number of calls, and whether they had become steady."""

    seconds: float
    calls: int
    steady: bool


@dataclass(frozen=True)
class Warm(Message[WarmUp]):
    """Call until steady, for `cap` seconds at most."""

    name: str
    cap: float


@dataclass
class RoundResult:
    """Results of a round. Seconds per call, by candidate and row."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    cold: dict[str, list[float]] = field(default_factory=dict)
    """Of the first call of each slot."""
    outputs: list[tuple[str, int, Outputs]] = field(default_factory=list)
    """Kept outputs, as (candidate, copy, output)."""
    wrote: tuple[str, ...] = ()
    """Candidates that wrote to their inputs."""
    others: float = 0.0
    """Share of the machine that other processes used."""
    cores: float = 1.0
    """Processors that this process used."""
    in_calls: float = 0.0
    whole: float = 0.0
    """Seconds inside timed calls, and of the round with everything that belongs to it."""


@dataclass(frozen=True)
class Round(Message[RoundResult]):
    """Run these rows of slots, with the copies' contents of this number (see Candidate.fill)."""

    rows: list[list[Slot]]
    number: int


@dataclass(frozen=True)
class Memory(Message[float]):
    """One call with memory watched instead of the clock. The answer is bytes above those before the call, or NaN."""

    name: str


@dataclass
class HonestyTrace:
    """Seconds of one round; `outputs` are of values that are new, as (copy, output)."""

    novel: float
    """Of a call on new values."""
    other: float
    """Of a call on values seen before, or of one as in a timed round."""
    reading: float = 0.0
    """Of an output's first conversion to NumPy, less that of an output which was read before."""
    after: float = 0.0
    """Processor time in IDLE seconds after a call, less that in IDLE seconds without one."""
    cores: float = 1.0
    """Processors used during calls."""
    clocked: float = 0.0
    """Seconds of further calls, by the clock of their process."""
    elapsed: float = 0.0
    """Seconds of these calls, by the clock of the process that asks."""
    used: float = 0.0
    """Processor seconds of these calls, its children's too, as the process that asks sees them."""
    outputs: list[tuple[int, Outputs]] = field(default_factory=list)


@dataclass(frozen=True)
class Watch(Message[HonestyTrace]):
    """See once whether the candidate works when it should."""

    name: str
    numbers: tuple[int, int]
    """Of contents that are new (see Candidate.fill): for values seen before or for timed rounds, and for new ones."""
    other: str = "seen"
    """Calls to compare with those on new values: on values "seen" before, or as "timed" in rounds."""
    novel_first: bool = True
    read_novel: bool = True
    rest_first: bool = True
    """The order, drawn by the process that asks, so that the candidate cannot know it."""
    cases: tuple[dict[str, object], ...] = ()
    """Cases (as JSON) of the new values, whose magnitudes are new too; without them, new signs of the values of the workload."""


@dataclass(frozen=True)
class Ceiling(Message[Ceilings]):
    """The fastest matrix product of a framework in this dtype, and the fastest copy."""

    name: str
    dtype: str

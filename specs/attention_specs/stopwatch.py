"""Where the time of a check goes: each part of the work books its seconds on the stopwatch that runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from time import perf_counter
from typing import ParamSpec, TypeVar

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")

PARTS = {
    "start": "starting the process of the implementation, and its imports",
    "drawing": "drawing the cases",
    "inputs": "making the arrays of a case",
    "oracle": "the exact answer",
    "bounds": "the largest errors that rounding allows",
    "packing": "writing a request down",
    "transfer": "sending it, waiting for the process, reading the answer",
    "first calls": "inside the implementation, called with new shapes where each is compiled",
    "calls": "inside the implementation",
    "judging": "all else: other forms of a problem, comparisons",
    "smallest": "making failures small",
}
"""The parts of a check."""


class Stopwatch:
    """Seconds by part. One part runs at a time: a part within another one interrupts it."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self.part, self.since = "judging", perf_counter()

    def turn(self, part: str) -> str:
        """Goes on with this part; returns the one until now."""
        now = perf_counter()
        self.seconds[self.part] += now - self.since
        before, self.part, self.since = self.part, part, now
        return before

    def move(self, part: str, other: str, seconds: float) -> None:
        """Books seconds of one part on another, where they were measured by somebody else."""
        self.seconds[part] -= seconds
        self.seconds[other] += seconds

    def rounded(self) -> dict[str, float]:
        """The seconds to milliseconds."""
        return {part: round(seconds, 3) for part, seconds in self.seconds.items()}


_running: list[Stopwatch] = []
"""The stopwatch in use comes last."""


@contextmanager
def running(stopwatch: Stopwatch) -> Iterator[None]:
    """The stopwatch runs meanwhile, and no other one."""
    _pause()
    stopwatch.since = perf_counter()
    _running.append(stopwatch)
    try:
        yield
    finally:
        _pause()
        _running.pop()
        if _running:
            _running[-1].since = perf_counter()


def _pause() -> None:
    if _running:
        _running[-1].turn(_running[-1].part)


@contextmanager
def as_one(part: str) -> Iterator[None]:
    """All parts within are booked on this one."""
    within = Stopwatch()
    with running(within):
        yield
    if _running:
        _running[-1].seconds[part] += sum(within.seconds.values())


def book(part: str, other: str, seconds: float) -> None:
    """Seconds of one part were those of another one."""
    if _running:
        _running[-1].move(part, other, seconds)


def timed(part: str) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """The function books its seconds on this part."""

    def decorate(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        @wraps(function)
        def booked(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
            if not _running:
                return function(*arguments, **named)
            stopwatch = _running[-1]
            before = stopwatch.turn(part)
            try:
                return function(*arguments, **named)
            finally:
                stopwatch.turn(before)

        return booked

    return decorate

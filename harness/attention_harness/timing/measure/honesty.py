"""Honesty of a candidate: it works while the clock runs, on every call, on old values and new ones. One round of the test.

Outputs kept from earlier calls, outputs that are computed when somebody reads them, and work that goes on after the return
have been found in submissions to kernel contests (flashinfer-bench-starter-kit issue 21). Correct outputs do not show them:
the right values are there by the time that they are looked at. Times do.

Every comparison is of two things that an honest candidate treats alike, in an order that the asking process draws. The
machine's noise hits either with the same probability, so it favours none: see attention_harness.timing.analysis.offences.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from time import perf_counter, process_time, sleep

from attention_harness.timing.measure.candidate import Candidate
from attention_harness.timing.measure.messages import HonestyTrace, Watch
from attention_specs.attention.inputs import realise
from attention_specs.case import Case

LEADS, SHORT = 8, 2e-3
"""Calls on one buffer that come first: a candidate that works less in a quick series of calls does so by then. One is enough,
where calls take long."""

AGAIN = 3
"""Calls on values before these count as seen; one, where calls take long."""

LONG = 0.05
"""Seconds of the timed calls of an arm, where one takes less: the fastest of several did not wait for a busy machine."""

IDLE = 5e-3
"""Seconds for which the processor time of a finished candidate is watched."""

MOST_IDLE = 20
"""Waits of that length for the end of an earlier call."""


@dataclass(frozen=True)
class Pace:
    """Numbers of calls in an arm of the experiment."""

    leads: int
    again: int
    buffers: Sequence[int]
    """Buffers of the timed calls."""

    @classmethod
    def for_candidate(cls, candidate: Candidate) -> Pace:
        """Fewer where one call takes long, by the fastest: others may have waited for a busy machine."""
        fastest = min(candidate.series)
        buffers = range(1, max(len(candidate.calls), 2))
        return cls(LEADS, AGAIN, buffers) if fastest < SHORT else cls(1, 1, buffers[: max(int(LONG / fastest), 1)])


@dataclass
class Arm:
    """Results of the calls on the contents of one number: seconds of the fastest, and native outputs by copy."""

    seconds: float
    outputs: list[tuple[int, object]]
    processor: float
    wall: float


def watch(candidate: Candidate, message: Watch, rest: Callable[[float], None] = sleep) -> HonestyTrace:
    """One round, in the order that the message says."""
    pace, (seen, new) = Pace.for_candidate(candidate), message.numbers
    if message.other == "seen":
        _show(candidate, seen, pace)
    first, second = (new, seen) if message.novel_first else (seen, new)
    fresh = [realise(Case.from_json(one)) for one in message.cases]
    arms: dict[int, Arm] = {}
    for number in (first, second):
        with candidate.taking(fresh if number == new else ()):
            arms[number] = _arm(candidate, number, pace, number == seen and message.other == "timed")
    novel, other = arms[new], arms[seen]
    candidate.fill(new)  # whose signs are taken back from the outputs on new values
    reading = _reading(candidate, novel.outputs[-1][1], other.outputs[-1][1], message.read_novel)
    return HonestyTrace(
        novel=novel.seconds,
        other=other.seconds,
        reading=reading,
        after=_after(candidate, message.rest_first, rest),
        cores=(novel.processor + other.processor) / (novel.wall + other.wall),
        outputs=[(copy, candidate.output(out)) for copy, out in novel.outputs],
    )


def _show(candidate: Candidate, number: int, pace: Pace) -> None:
    candidate.fill(number)
    for buffer in [0, *pace.buffers] * pace.again:
        candidate.call(buffer)


def _arm(candidate: Candidate, number: int, pace: Pace, as_in_a_round: bool) -> Arm:
    """Fresh contents, the leading calls on these buffers, and timed ones on others. As in a round, many calls on all buffers
    follow each other before, without the garbage collector; the timed calls are the same."""
    candidate.fill(number)
    own, wall = process_time(), perf_counter()
    for buffer in [0] * pace.leads:
        candidate.call(buffer)
    with _without_collector() if as_in_a_round else nullcontext():
        for buffer in [*range(len(candidate.calls))] * (pace.leads if as_in_a_round else 0):
            candidate.call(buffer)
        timed = [(candidate.copy(buffer), *candidate.timed(buffer)) for buffer in pace.buffers]
    own, wall = process_time() - own, perf_counter() - wall
    return Arm(min(took for _, took, _ in timed), [(copy, out) for copy, _, out in timed], own, wall)


@contextmanager
def _without_collector() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _reading(candidate: Candidate, novel: object, other: object, read_novel: bool) -> float:
    """Seconds that the first reading of an output takes longer than a second reading."""
    before, fresh = (novel, other) if read_novel else (other, novel)
    candidate.output(before)
    seconds = {id(out): _seconds(candidate, out) for out in (novel, other)}
    return seconds[id(fresh)] - seconds[id(before)]


def _seconds(candidate: Candidate, native: object) -> float:
    start = candidate.clock()
    candidate.output(native)
    return (candidate.clock() - start) / 1e9


def _after(candidate: Candidate, rest_first: bool, rest: Callable[[float], None]) -> float:
    """Processor time after a call, less that without one."""
    used = {called: _working(candidate, called, rest) for called in (not rest_first, rest_first)}
    return used[True] - used[False]


def _working(candidate: Candidate, called: bool, rest: Callable[[float], None]) -> float:
    for _ in range(MOST_IDLE):
        if _processor(rest) < IDLE / 2:
            break
    if called:
        candidate.call(0)
    return _processor(rest)


def _processor(rest: Callable[[float], None]) -> float:
    start = process_time()
    rest(IDLE)
    return process_time() - start

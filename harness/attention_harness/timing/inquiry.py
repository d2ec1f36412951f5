"""From a suspicion to a verdict: more rounds in the same process, then in fresh ones where the candidate is alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from secrets import randbits
from time import monotonic
from typing import Protocol

from attention_harness.timing.analysis.offences import OFFENCES, PROCESSES, Offence, Trial, accusation, acquits, doubt
from attention_harness.timing.measure.messages import HonestyTrace, Message, Reply, Round, Watch
from attention_harness.timing.measure.schedule import Slot

Cases = tuple[dict[str, object], ...]

FIRST_NUMBER = 1_000_000
"""Numbers of contents (see Candidate.fill) that no round has had."""

FEWEST_GLANCES, GLANCES = 3, 6
"""Rounds of a first look, which only raises suspicions."""

FEWEST, MOST = 17, 41
"""Rounds of a trial: three of them are always lost to noise, and more than 41 add little."""

TRIAL_SECONDS = 4.0
"""For one trial, where the fewest rounds take no longer."""

FEWEST_CALLS, MOST_CALLS = 2, 512
LONG_ENOUGH, TOO_LONG = 0.05, 0.3
"""Calls that are looked at from outside, as many as take 50 ms; fewer, where that takes 0.3 s."""


def fresh_numbers() -> Iterator[int]:
    """Numbers that no round has, each once."""
    return count(FIRST_NUMBER)


class Ask(Protocol):
    """Asks a process."""

    def __call__(self, message: Message[Reply], /) -> Reply:
        """The answer. Raises CandidateFailed."""


@dataclass
class Watcher:
    """Asks one process for rounds about one candidate, each in a random order."""

    ask: Ask
    name: str
    examine: Callable[[HonestyTrace], None]
    """Raises CandidateFailed for wrong outputs on new values."""
    coin: Callable[[], bool] = lambda: bool(randbits(1))
    numbers: Iterator[int] = field(default_factory=fresh_numbers)
    fresh: Callable[[], tuple[int, Cases]] | None = None
    """New cases, with the number of the first among the copies; None where no others are drawn."""
    processor: Callable[[], float | None] = lambda: None
    """Processor seconds of the process and its children so far, seen from outside; None where that cannot be seen."""
    calls: int = FEWEST_CALLS

    def round(self, other: str) -> HonestyTrace:
        """One round; its outputs are judged and dropped. Raises CandidateFailed."""
        if other == "clock":
            return self._clocked()
        pair = next(self.numbers), next(self.numbers)
        way, novel_first, read_novel, rest_first = (self.coin() for _ in range(4))
        first, cases = self.fresh() if other == "fresh" and self.fresh else (0, ())
        kind = "seen" if cases else other
        trace = self.ask(Watch(self.name, pair if way else pair[::-1], kind, novel_first, read_novel, rest_first, cases))
        self.examine(replace(trace, outputs=[(first + copy, out) for copy, out in trace.outputs]))
        return replace(trace, outputs=[])

    def _clocked(self) -> HonestyTrace:
        """One round of two slots, as many calls apart as take long enough: what else a slot takes is in both, in a random order."""
        while True:
            few_first = self.coin()
            first, second = (self._slot(1 + self.calls * (few_first == late)) for late in (False, True))
            few, many = (first, second) if few_first else (second, first)
            clocked, elapsed, used = (more - less for less, more in zip(few, many, strict=True))
            if sum(few) + sum(many) > TOO_LONG or elapsed >= LONG_ENOUGH or self.calls >= MOST_CALLS:
                return HonestyTrace(0.0, 0.0, clocked=clocked, elapsed=elapsed, used=used)
            self.calls *= 2

    def _slot(self, calls: int) -> tuple[float, float, float]:
        """Seconds of a slot by the clock of its process, by ours, and processor seconds."""
        before, began = self.processor() or 0.0, monotonic()
        result = self.ask(Round([[Slot(self.name, calls, 0)]], next(self.numbers)))
        elapsed = monotonic() - began
        return result.in_calls, elapsed, (self.processor() or 0.0) - before

    def glance(self, seconds: float, timed: float) -> list[Offence]:
        """Offences that at least half of a few rounds show; `timed` is the median of the timed rounds' seconds per call."""
        end, seen = monotonic() + seconds, list[HonestyTrace]()
        while len(seen) < FEWEST_GLANCES or (len(seen) < GLANCES and monotonic() < end):
            seen.append(self.round("seen"))
        beside = {"seen": seen, "timed": [replace(one, other=timed) for one in seen]}
        for other, possible in (("fresh", self.fresh is not None), ("clock", self.processor() is not None)):
            beside[other] = [self.round(other) for _ in range(FEWEST_GLANCES)] if possible else []
        return [
            one for one in OFFENCES if beside[one.other] and 2 * sum(map(one.shows, beside[one.other])) >= len(beside[one.other])
        ]

    def trial(self, offence: Offence) -> Trial:
        """Rounds until nothing can change the result. Their number is fixed after the first, which does not count."""
        began = monotonic()
        self.round(offence.other)
        fits = int(TRIAL_SECONDS / max(monotonic() - began, 1e-9))
        trial = Trial(offence, min(max(fits, FEWEST), MOST), [])
        while not trial.decided:
            trial.seen.append(self.round(offence.other))
        return trial


@dataclass(frozen=True)
class Finding:
    """`outcome` is "dishonest", "undecided", or nothing for an honest candidate."""

    outcome: str = ""
    reason: str = ""


def inquire(here: Watcher, offence: Offence, fresh: Callable[[], Trial]) -> Finding:
    """A candidate is dishonest if it shows the offence in every fresh process and is not cleared in the first. It is honest if it
    is cleared in the first, or by the rounds of all processes together while none of them shows it. Everything else is
    undecided. `fresh` makes a trial in a process of its own.
    """
    first, trials = here.trial(offence), list[Trial]()
    while not (cleared := acquits([first, *trials])) and len(trials) < PROCESSES and not _contradict(first, trials):
        trials.append(fresh())
    if cleared:
        return Finding()
    if len(trials) == PROCESSES and all(trial.guilty for trial in trials):
        return Finding("dishonest", accusation(trials))
    return Finding("undecided", doubt(first, trials))


def _contradict(first: Trial, trials: list[Trial]) -> bool:
    """Whether one process shows the offence and a fresh one does not: more processes cannot decide anything."""
    return any(trial.guilty for trial in (first, *trials)) and not all(trial.guilty for trial in trials)

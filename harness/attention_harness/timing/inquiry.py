"""From a suspicion to a verdict: more rounds in the same process, then in fresh ones where the candidate is alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from secrets import randbits
from time import monotonic

from attention_harness.timing.analysis.offences import OFFENCES, PROCESSES, Offence, Trial, accusation, acquits, doubt
from attention_harness.timing.measure.messages import HonestyTrace, Watch

FIRST_NUMBER = 1_000_000
"""Numbers of contents (see Candidate.fill) that no round has had."""

FEWEST_GLANCES, GLANCES = 3, 6
"""Rounds of a first look, which only raises suspicions."""

FEWEST, MOST = 17, 41
"""Rounds of a trial: three of them are always lost to noise, and more than 41 add little."""

TRIAL_SECONDS = 4.0
"""For one trial, where the fewest rounds take no longer."""


def fresh_numbers() -> Iterator[int]:
    """Numbers that no round has, each once."""
    return count(FIRST_NUMBER)


@dataclass
class Watcher:
    """Asks one process for rounds about one candidate, each in a random order."""

    ask: Callable[[Watch], HonestyTrace]
    name: str
    examine: Callable[[HonestyTrace], None]
    """Raises CandidateFailed for wrong outputs on new values."""
    coin: Callable[[], bool] = lambda: bool(randbits(1))
    numbers: Iterator[int] = field(default_factory=fresh_numbers)

    def round(self, other: str) -> HonestyTrace:
        """One round; its outputs are judged and dropped. Raises CandidateFailed."""
        pair = next(self.numbers), next(self.numbers)
        order = [self.coin() for _ in range(4)]
        watch = Watch(self.name, pair if order[0] else pair[::-1], other, *order[1:])
        trace = self.ask(watch)
        self.examine(trace)
        return replace(trace, outputs=[])

    def glance(self, seconds: float, timed: float) -> list[Offence]:
        """Offences that at least half of a few rounds show; `timed` is the median of the timed rounds' seconds per call."""
        end, seen = monotonic() + seconds, list[HonestyTrace]()
        while len(seen) < FEWEST_GLANCES or (len(seen) < GLANCES and monotonic() < end):
            seen.append(self.round("seen"))
        beside = {"seen": seen, "timed": [replace(one, other=timed) for one in seen]}
        return [offence for offence in OFFENCES if 2 * sum(map(offence.shows, beside[offence.other])) >= len(seen)]

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

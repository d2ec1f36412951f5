"""Offences of a candidate, the rule of an accusation, and how often the rule is wrong.

In each round a coin that the candidate cannot see says which of two things comes first. If the candidate treats both alike,
the coin alone makes one of them the slower, however the machine behaves in that round: so an honest round *shows* the
offence with a probability of at most 1/2, and rounds are independent because the coins are. Of n rounds at least m show it
with the probability of at least m heads in n throws. An accusation needs that in each of several fresh processes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from math import comb
from statistics import median

from attention_harness.timing.measure.honesty import IDLE
from attention_harness.timing.measure.messages import HonestyTrace

LEVEL = 0.01
"""How often, at most, the rounds of one process speak against an honest candidate, or for a dishonest one."""

PROCESSES = 3
"""Fresh processes, each of which has to show an offence. All offences together accuse 8 * 0.0097 ** 3 of honest candidates at
most: one of 130,000."""

MUCH = 1.5
"""How many times longer a call on new values may take than on values seen before."""

VERY_MUCH = 3.0
"""How many times longer a call on new values may take than one of a timed round, whose caches are warm."""

LEAST_READING = 2e-4
"""Seconds; conversions that are set up once take less."""

PROCESSORS = 1.5

SLOWED = 2.0
"""How many times longer calls may take than their process says; messages wait on a busy machine."""

UNCOUNTED = 2e-3
"""Processor seconds that a process may use beside its calls."""


@dataclass(frozen=True)
class Offence:
    """`shows` says whether a round shows it; `words` describes the median round; `other` is that of Watch."""

    name: str
    shows: Callable[[HonestyTrace], bool]
    words: Callable[[HonestyTrace], str]
    other: str = "seen"


KEPT = Offence(
    "outputs are kept",
    lambda seen: seen.novel > MUCH * seen.other,
    lambda seen: f"a call on values seen before takes {seen.other:.2g} s, on new ones {seen.novel:.2g} s",
)
WHEN_TIMED = Offence(
    "it knows when it is timed",
    lambda seen: seen.novel > VERY_MUCH * seen.other,
    lambda seen: f"a timed call takes {seen.other:.2g} s, one on new values {seen.novel:.2g} s",
    "timed",
)
PUT_OFF = Offence(
    "the work is put off",
    lambda seen: seen.reading > max(seen.novel, LEAST_READING),
    lambda seen: f"a call takes {seen.novel:.2g} s, and reading its output {seen.reading:.2g} s",
)
GOES_ON = Offence(
    "the work goes on after the return",
    lambda seen: seen.after > max(seen.novel, IDLE / 2),  # a framework may tidy up, but not for longer than it worked
    lambda seen: f"after the return, {seen.after / IDLE:.0%} of a processor go on working",
)
THREADS = Offence(
    "it starts threads of its own",
    lambda seen: seen.cores > PROCESSORS,
    lambda seen: f"processors={seen.cores:.1f}, but should be 1 like everybody's",
)
RESIGNED = Offence(
    "outputs are kept but for signs",
    lambda seen: seen.novel > VERY_MUCH * seen.other,
    lambda seen: f"a call on earlier values with other signs takes {seen.other:.2g} s, on others {seen.novel:.2g} s",
    "fresh",
)
SLOW_CLOCK = Offence(
    "its clock is slow",
    lambda seen: seen.elapsed > SLOWED * seen.clocked,
    lambda seen: f"calls took {seen.elapsed:.2g} s, and {seen.clocked:.2g} s by the clock of their process",
    "clock",
)
CHILDREN = Offence(
    "it works in processes of its own",
    lambda seen: seen.used > PROCESSORS * seen.elapsed + UNCOUNTED,
    lambda seen: f"in {seen.elapsed:.2g} s of calls, {seen.used:.2g} s of processors were used",
    "clock",
)
OFFENCES = (KEPT, WHEN_TIMED, PUT_OFF, GOES_ON, THREADS, RESIGNED, SLOW_CLOCK, CHILDREN)


def chance(rounds: int, least: int) -> float:
    """The probability of at least so many heads in so many throws: the exact tail of the binomial distribution."""
    return sum(comb(rounds, heads) for heads in range(least, rounds + 1)) / 2**rounds


@cache
def needed(rounds: int, level: float = LEVEL) -> int:
    """The fewest of so many rounds that an honest candidate reaches with a probability of at most `level`; one more than all
    of them where there are too few."""
    return next((least for least in range(rounds + 1) if chance(rounds, least) <= level), rounds + 1)


@dataclass
class Trial:
    """Rounds of one process, and their planned number; `hits` are those that show the offence."""

    offence: Offence
    planned: int
    seen: list[HonestyTrace]

    @property
    def hits(self) -> int:
        """Rounds that show the offence."""
        return sum(map(self.offence.shows, self.seen))

    @property
    def guilty(self) -> bool:
        """Whether more rounds show it than chance explains."""
        return self.hits >= needed(self.planned)

    @property
    def innocent(self) -> bool:
        """Whether so many rounds do not show it that a candidate which shows it half of the time, or more, is unlikely."""
        return len(self.seen) - self.hits >= needed(self.planned)

    @property
    def decided(self) -> bool:
        """Whether the rounds that are left cannot change the result."""
        return self.guilty or self.innocent or len(self.seen) >= self.planned


def acquits(trials: Sequence[Trial]) -> bool:
    """Whether the rounds of all these processes together speak for the candidate, and none of them against it."""
    rounds = sum(len(trial.seen) for trial in trials)
    return not any(trial.guilty for trial in trials) and rounds - sum(trial.hits for trial in trials) >= needed(rounds)


def accusation(trials: Sequence[Trial]) -> str:
    """The sentence about an offence that every one of these processes shows."""
    rounds = [one for trial in trials for one in trial.seen]
    offence, middle = trials[0].offence, _middle(rounds)
    counts = ", ".join(f"{trial.hits} of {len(trial.seen)}" for trial in trials)
    return f"{offence.words(middle)}: {offence.name} (so in {counts} rounds of {len(trials)} fresh processes)"


def doubt(first: Trial, trials: Sequence[Trial]) -> str:
    """The sentence about an offence that remains undecided."""
    counts = ", ".join(f"{trial.hits} of {len(trial.seen)}" for trial in (first, *trials))
    return f"undecided whether {first.offence.name}: {counts} rounds of {1 + len(trials)} processes look like it"


def _middle(rounds: Sequence[HonestyTrace]) -> HonestyTrace:
    names = ("novel", "other", "reading", "after", "cores", "clocked", "elapsed", "used")
    return HonestyTrace(**{name: median(getattr(one, name) for one in rounds) for name in names})

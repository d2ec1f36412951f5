"""Measurements of one workload, before the verdicts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from attention_harness.errors import Outcome
from attention_harness.timing.analysis.statistics import LEVEL, Interval, interval, paired
from attention_harness.timing.measure.ceilings import Ceilings
from attention_harness.timing.measure.messages import FirstCalls, RoundResult, WarmUp
from attention_harness.timing.workloads import Workload

TWIN = "the baseline again"
"""The baseline as one more candidate: its difference from itself is noise."""

ABSENCES = {Outcome.UNSUPPORTED: "UNSUPPORTED", "undecided": "UNRESOLVED"}
"""Outcome -> verdict of a candidate that has no time and is not at fault; undecided: perhaps its time is not that of the work."""

QUIET, ENOUGH = 0.08, 4
"""Rounds in which others used at most 8 % of the machine are quiet; where there are four, the others are not judged."""


@dataclass(frozen=True)
class Lap:
    """One round: its process, its baseline, and seconds per call by candidate and row; the twin is the baseline's."""

    replica: int
    baseline: str
    result: RoundResult


@dataclass
class Measurements:
    """Everything measured on one workload. Seconds, bytes."""

    workload: Workload
    lost: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Candidate -> INVALID, UNSUPPORTED or UNRESOLVED, and the reason."""
    laps: list[Lap] = field(default_factory=list)
    compiling: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    first_calls: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    memory: dict[str, float] = field(default_factory=dict)
    ceilings: dict[str, list[Ceilings]] = field(default_factory=lambda: defaultdict(list))
    errors: dict[str, float] = field(default_factory=dict)
    """Largest |out - expected| of the first calls."""
    unsteady: set[str] = field(default_factory=set)
    looks: int = 0
    """Looks of the stopping rule between the first process and the last; 0 where it has not looked."""
    ended: dict[str, str] = field(default_factory=dict)
    """Candidate that no further process times -> why (see stopping.py)."""
    pairs: int = 0
    bytes: int = 0
    """Of all inputs and the output: the least that has to be moved."""

    def lose(self, name: str, outcome: str, reason: str) -> None:
        """The candidate has no timing on this workload."""
        self.lost.setdefault(name, (ABSENCES.get(outcome, "INVALID"), reason))

    @property
    def undecided(self) -> set[str]:
        """Candidates with times that no look has ended; the baseline is none of them."""
        timed = {name for lap in self.laps for name in lap.result.seconds if name not in (TWIN, lap.baseline)}
        return timed - set(self.lost) - set(self.ended)

    def end(self, ended: Mapping[str, str], looks: int) -> None:
        """No further process times these candidates, for these reasons; all intervals allow for so many looks."""
        self.ended |= ended
        self.looks = looks if self.laps else 0

    def add_first_calls(self, name: str, first_calls: FirstCalls, warm_up: WarmUp) -> None:
        """Adds the seconds of the first call, and those beyond a steady one."""
        self.first_calls[name].append(first_calls.seconds[0])
        self.compiling[name].append(max(first_calls.seconds[0] - warm_up.seconds, 0.0))
        if not warm_up.steady:
            self.unsteady.add(name)

    def samples(self, name: str) -> list[float]:
        """Seconds per call of all slots, in the order in which they were taken."""
        return [seconds for lap in self.laps for seconds in lap.result.seconds.get(name, [])]


def against(laps: Sequence[Lap], name: str, baseline: str, level: float = LEVEL) -> Interval:
    """The interval of candidate / baseline over the rounds in which both ran; the twin only counts beside its original."""
    both = [lap for lap in laps if {name, baseline} <= set(lap.result.seconds) and (name != TWIN or lap.baseline == baseline)]
    return interval([paired(lap.result.seconds[name], lap.result.seconds[baseline]) for lap in quiet(both)], level)


def quiet(laps: Sequence[Lap]) -> Sequence[Lap]:
    """The quiet ones, where there are enough; all are in the records."""
    chosen = [lap for lap in laps if lap.result.others <= QUIET]
    return chosen if len(chosen) >= ENOUGH else laps

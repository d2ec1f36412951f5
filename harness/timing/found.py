"""What a timing collects about one workload, before it is judged."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from harness.timing.messages import Ran, Tried, Warmed
from harness.workloads import Workload

TWIN = "the baseline again"
"""The baseline as one more candidate: what it differs by from itself is noise."""


@dataclass(frozen=True)
class Lap:
    """One round: seconds per call by candidate and row, and who the baseline was; the twin is the baseline's."""

    replica: int
    baseline: str
    ran: Ran


@dataclass
class Found:
    """Everything measured on one workload. Seconds, bytes."""

    workload: Workload
    lost: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Candidate -> INVALID or UNSUPPORTED, and the reason."""
    laps: list[Lap] = field(default_factory=list)
    compiling: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    memory: dict[str, float] = field(default_factory=dict)
    unsteady: set[str] = field(default_factory=set)
    pairs: int = 0

    def lose(self, name: str, outcome: str, reason: str) -> None:
        """The candidate has no timing on this workload."""
        self.lost.setdefault(name, ("UNSUPPORTED" if outcome == "unsupported" else "INVALID", reason))

    def cold(self, name: str, tried: Tried, warmed: Warmed) -> None:
        """What the first call took beyond a steady one."""
        self.compiling[name].append(max(tried.seconds[0] - warmed.seconds, 0.0))
        if not warmed.steady:
            self.unsteady.add(name)

    def samples(self, name: str) -> list[float]:
        """Seconds per call of all slots, in the order in which they were taken."""
        return [seconds for lap in self.laps for seconds in lap.ran.seconds.get(name, [])]

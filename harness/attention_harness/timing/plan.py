"""What is timed next: the workloads that are undecided and that the budget affords, the most important first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite

from attention_harness.timing.analysis.measurements import Measurements
from attention_harness.timing.analysis.stopping import look
from attention_harness.timing.budget import Budget, by_importance
from attention_harness.timing.expected_outputs import ExpectedOutputs
from attention_harness.timing.settings import Settings
from attention_harness.timing.workloads import Workload


@dataclass(eq=False)
class PlannedWorkload:
    """A workload with its expected outputs, its measurements, and the number of processes that timed it."""

    expected: ExpectedOutputs
    measurements: Measurements
    runs: int = 0

    @property
    def name(self) -> str:
        """Of the workload."""
        return self.measurements.workload.name


@dataclass
class Plan:
    """The workloads of a timing in the order in which they were asked for, and those that the budget cut short."""

    workloads: list[PlannedWorkload]
    settings: Settings
    budget: Budget
    left_out: list[PlannedWorkload] = field(default_factory=list)

    @classmethod
    def of(cls, workloads: Sequence[Workload], settings: Settings, budget: Budget) -> Plan:
        """A plan before the first process."""
        planned = [PlannedWorkload(ExpectedOutputs(one, settings.seed, settings.copies), Measurements(one)) for one in workloads]
        return cls(planned, settings, budget)

    def due(self) -> list[PlannedWorkload]:
        """The workloads for the next process; candidates that it cannot change are ended."""
        order = sorted(self.workloads, key=lambda one: by_importance(one.measurements.workload))
        return [one for one in order if one not in self.left_out and self._goes_on(one)]

    def affordable(self, due: Sequence[PlannedWorkload]) -> Iterator[PlannedWorkload]:
        """Those that fit into the budget when their turn comes, each to be timed before the next is asked for."""
        for one in due:
            if self._affords(one):
                with self.budget.running(one.name):
                    yield one
                one.runs += 1

    def _goes_on(self, one: PlannedWorkload) -> bool:
        """Whether another process times the workload. Nobody is ended where the budget ends all the same."""
        measurements, left = one.measurements, self.settings.processes - one.runs
        ended = look(measurements, self.settings.looks, left, self.settings.seconds) if self.settings.looks else {}
        undecided = not (ended or measurements.ended) or bool(measurements.undecided - set(ended))
        if undecided and not self._affords(one, fresh=True):
            return False
        measurements.end(ended, self.settings.looks)
        return undecided

    def _affords(self, one: PlannedWorkload, fresh: bool = False) -> bool:
        if self.budget.affords(one.name, fresh):
            return True
        self.left_out.append(one)
        return False

    def record(self) -> dict[str, object]:
        """Plain data: seconds planned (None: no limit) and used, what the budget left out, and comparisons ended early."""
        planned = self.budget.seconds
        return {
            "planned": round(planned, 1) if isfinite(planned) else None,
            "used": round(self.budget.used, 1),
            "left_out": [self._left_out(one) for one in self.left_out],
            "ended": [entry for one in self.workloads for entry in _ended(one.measurements)],
        }

    def _left_out(self, one: PlannedWorkload) -> dict[str, object]:
        """The processes that the budget left out, of how many, and about how many rounds: None where none was timed."""
        left = self.settings.processes - one.runs
        rounds = round(left * len(one.measurements.laps) / one.runs) if one.runs else None
        return {"workload": one.name, "processes": left, "of": self.settings.processes, "rounds": rounds}


def _ended(measurements: Measurements) -> list[dict[str, object]]:
    """Comparisons that a look ended: after how many processes, and why."""
    return [
        {
            "workload": measurements.workload.name,
            "implementation": name,
            "processes": len({lap.replica for lap in measurements.laps if name in lap.result.seconds}),
            "reason": reason,
        }
        for name, reason in measurements.ended.items()
        if name not in measurements.lost
    ]

"""One workload in one process: gate, warm-up, rounds, memory. Repeated without a candidate that is lost on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from math import log1p
from statistics import median
from time import monotonic

import numpy as np

from attention_harness.timing.analysis.measurements import TWIN, Lap, Measurements, against
from attention_harness.timing.analysis.offences import Offence, Trial
from attention_harness.timing.analysis.statistics import LEVEL
from attention_harness.timing.analysis.verdicts import LEAST_FLOOR
from attention_harness.timing.expected_outputs import ExpectedOutputs
from attention_harness.timing.inquiry import Finding, Watcher, fresh_numbers, inquire
from attention_harness.timing.measure.messages import (
    Ceiling,
    First,
    FirstCalls,
    HonestyTrace,
    Memory,
    Open,
    Outputs,
    Round,
    RoundResult,
    Warm,
)
from attention_harness.timing.measure.schedule import FEWEST_ROUNDS, LOOKS, order, size
from attention_harness.timing.process.child import CandidateFailed
from attention_harness.timing.process.session import Session
from attention_harness.timing.settings import Settings

WARM_SHARE = 0.05
"""Part of a workload's seconds that the warm-up of one candidate may take."""

WATCH_SHARE = 0.05
"""Part of a workload's seconds for a first look at the honesty of one candidate."""

OVERTIME = 1.5
"""Rounds end when they took so many times longer than planned: the machine has become busier."""


class ImpossibleTrial(Exception):
    """A suspicion cannot be tried in a fresh process."""


@dataclass
class WorkloadRun:
    """One workload in one process, with the measurements that it adds to."""

    session: Session
    expected: ExpectedOutputs
    measurements: Measurements
    settings: Settings
    replica: int
    cleared: set[tuple[str, str]] = field(default_factory=set)
    """Candidates and offences with an acquittal; a repetition does not suspect them again."""
    numbers: Iterator[int] = field(default_factory=fresh_numbers)

    def run(self) -> None:
        """Adds the laps of this process to the measurements. Each repetition loses a candidate, so it ends."""
        self.session.ready()
        while self._names():
            try:
                self._attempt()
            except CandidateFailed as failure:
                self._lose(failure)
                self.session.ready()
            else:
                return

    def _lose(self, failure: CandidateFailed) -> None:
        name = self._baseline() if failure.name == TWIN else failure.name
        for one in [name] if name in self._names() else self._names():
            self.measurements.lose(one, failure.outcome, failure.reason)

    def _names(self) -> list[str]:
        done = {*self.measurements.lost, *self.measurements.ended}
        return [name for name in self.session.descriptions if name not in done]

    def _baseline(self) -> str:
        """The baseline of the settings, else the first candidate that passed."""
        names = self._names()
        return self.settings.baseline if self.settings.baseline in names else next(iter(names), "")

    def _attempt(self) -> None:
        self.session.ask(self._opening())
        self.expected.prepare()
        self.measurements.pairs, self.measurements.bytes = self.expected.pairs, self.expected.bytes
        first_calls = {name: result for name in self._names() if (result := self._gate(name))}
        if not first_calls:
            return
        self.session.load_again(self._baseline(), TWIN)
        first_calls[TWIN] = self.session.ask(First(TWIN))
        steady = {name: self.session.ask(Warm(name, WARM_SHARE * self.settings.seconds)) for name in first_calls}
        laps = self._laps({name: warm_up.seconds for name, warm_up in steady.items()})
        if not self.replica:
            self._apart(laps)
        for name in self._names():
            self.measurements.ceilings[name].append(self.session.ask(Ceiling(name, self.measurements.workload.problem.dtype)))
        self.measurements.laps += laps
        for name, warm_up in steady.items():
            self.measurements.add_first_calls(name, first_calls[name], warm_up)

    def _opening(self) -> Open:
        return Open(
            tuple(case.to_json() for case in self.expected.cases[: self.expected.copies]), self.measurements.workload.direction
        )

    def _apart(self, laps: list[Lap]) -> None:
        """Honesty, which raises CandidateFailed, and memory: once, while nothing is timed."""
        for name in self._names():
            timed = median(seconds for lap in laps for seconds in lap.result.seconds[name])
            self._examine_honesty(name, timed)
        self.measurements.memory |= {name: self.session.ask(Memory(name)) for name in self._names()}

    def _examine_honesty(self, name: str, timed: float) -> None:
        """Raises CandidateFailed for a confirmed suspicion, or else for an undecided one."""
        here, undecided = self._watcher(self.session, name), Finding()
        for offence in here.glance(WATCH_SHARE * self.settings.seconds, timed):
            finding = Finding() if (name, offence.name) in self.cleared else self._finding(here, offence)
            if finding.outcome == "dishonest":
                raise CandidateFailed(name, finding.reason, died=False, outcome=finding.outcome)
            undecided = undecided if undecided.outcome else finding
        if undecided.outcome:
            raise CandidateFailed(name, undecided.reason, died=False, outcome=undecided.outcome)

    def _watcher(self, session: Session, name: str) -> Watcher:
        where = "on values that it had not seen before: "
        fresh = None if self.expected.training else self.expected.fresh
        examine = partial(self._examine_trace, name, where)
        return Watcher(session.ask, name, examine, numbers=self.numbers, fresh=fresh, processor=session.processor)

    def _examine_trace(self, name: str, where: str, trace: HonestyTrace) -> None:
        try:
            self._judge(name, trace.outputs, where)
        finally:
            self.expected.forget_fresh()

    def _finding(self, here: Watcher, offence: Offence) -> Finding:
        """The result of a closer look; an acquittal ends the suspicion for good."""
        try:
            finding = inquire(here, offence, partial(self._alone, here.name, offence))
        except ImpossibleTrial as error:
            return Finding("undecided", f"undecided whether {offence.name}: {error}")
        if not finding.outcome:
            self.cleared.add((here.name, offence.name))
        return finding

    def _alone(self, name: str, offence: Offence) -> Trial:
        """A trial in a fresh process that has no other candidate. Raises ImpossibleTrial, and CandidateFailed for wrong outputs."""
        absent: dict[str, CandidateFailed] = {}
        with Session(self.session.start, [self.session.targets[name]], absent) as session:
            try:
                session.ready()
                if absent:
                    raise absent[name]
                session.ask(self._opening())
                self._judge(name, list(enumerate(session.ask(First(name)).outputs)))
                session.ask(Warm(name, WARM_SHARE * self.settings.seconds))
                return self._watcher(session, name).trial(offence)
            except CandidateFailed as failure:
                if failure.outcome == "wrong":
                    raise
                raise ImpossibleTrial(f"in a process of its own, {failure.reason}") from None

    def _gate(self, name: str) -> FirstCalls | None:
        """The first calls, if their outputs are right; a process that dies of them raises CandidateFailed."""
        try:
            first_calls = self.session.ask(First(name))
            self._judge(name, list(enumerate(first_calls.outputs)))
        except CandidateFailed as failure:
            if failure.died:
                raise
            self.measurements.lose(name, failure.outcome, failure.reason)
            return None
        self.measurements.errors[name] = self.expected.error(self.session.descriptions[name], first_calls.outputs[0])
        return first_calls

    def _laps(self, steady: dict[str, float]) -> list[Lap]:
        plan, laps = size(steady, self.settings.seconds), list[Lap]()
        rng = np.random.default_rng([self.settings.seed, self.replica, len(self.measurements.workload.name)])
        deadline = monotonic() + OVERTIME * self.settings.seconds
        for number in range(1, plan.rounds + 1):
            result = self.session.ask(Round(order(plan, self.settings.copies, rng), number))
            self._examine(result)
            laps.append(Lap(self.replica, self._baseline(), replace(result, outputs=[])))
            if (number >= FEWEST_ROUNDS and monotonic() > deadline) or (number in LOOKS and self._narrow(laps)):
                break
        return laps

    def _narrow(self, laps: list[Lap]) -> bool:
        """Whether all intervals, at a level that allows for all looks, are too narrow for more rounds to change a verdict."""
        level = 1 - (1 - LEVEL) / len(LOOKS)
        halves = (against(laps, name, self._baseline()).half_at(level) for name in laps[0].result.seconds)
        return max(halves) < log1p(LEAST_FLOOR) / 2

    def _examine(self, result: RoundResult) -> None:
        """Raises CandidateFailed for an output of a timed call that is wrong, or an input that was written to."""
        for name in result.wrote:
            raise CandidateFailed(name, "wrote to its inputs", died=False, outcome="wrong")
        for name, copy, out in result.outputs:
            self._judge(name, [(copy, out)], "in a timed call: ")

    def _judge(self, name: str, outputs: list[tuple[int, Outputs]], where: str = "") -> None:
        """Raises CandidateFailed for the first output that is wrong."""
        description = self.session.descriptions[self._baseline() if name == TWIN else name]
        for copy, out in outputs:
            if fault := self.expected.fault(description, copy, out):
                raise CandidateFailed(name, f"{where}{fault}", died=False, outcome="wrong")

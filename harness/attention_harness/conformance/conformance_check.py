"""The check of one implementation, case after case, and at the end its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, takewhile
from math import inf
from time import monotonic
from typing import TypeVar

from attention_harness.conformance.failures import waivers
from attention_harness.conformance.judging import PLAIN, Find, Finding, find, judge
from attention_harness.conformance.our_faults import our_fault, require_space
from attention_harness.conformance.pace import Asked, Pace
from attention_harness.conformance.plan import Listener, Plan
from attention_harness.conformance.records import CheckRow, PrecisionRow
from attention_harness.conformance.schedule import Schedule
from attention_harness.conformance.steps.asking import Asker, Step
from attention_harness.conformance.steps.counts import HANGS, Counts
from attention_harness.conformance.steps.observation import Observation
from attention_harness.conformance.steps.share import share
from attention_harness.conformance.steps.step_records import StepRecords, path_of
from attention_harness.conformance.tallies import RowBuilder
from attention_harness.conformance.under_test import UnderTest
from attention_harness.errors import CallFailed, Outcome
from attention_harness.generation.domain import Domain, learned
from attention_harness.process.worker import Worker
from attention_harness.registry.targets import Target
from attention_specs.case import Case
from attention_specs.formats import DTYPES
from attention_specs.property import PROPERTIES, Property
from attention_specs.spec import Inputs

Result = TypeVar("Result")

AGAIN_SECONDS = 90.0
"""Time for the refused cases of one implementation, which are asked again where it answers."""


class ConformanceCheck:
    """The check of one implementation on all cases. A second process `aside`, not started yet, is asked for failures alone."""

    def __init__(
        self, under_test: UnderTest, target: Target, plan: Plan, listener: Listener = Listener(), aside: Worker | None = None
    ) -> None:
        self.under_test, self.target, self.plan, self.listener, self.aside = under_test, target, plan, listener, aside
        self.schedule = Schedule(under_test, plan)
        self.scheduled, self.properties = self.schedule.cases, self.schedule.properties
        self.waivers = [w for w in waivers.load() if w.implementation == target.name and plan.asks_for(PROPERTIES[w.property])]
        self.counts, self.untried = Counts(), 0
        self.tallies, self.answer_counts = self.counts.tallies, self.counts.answer_counts
        self.asker = Asker(under_test, self.counts)
        self.pace = Pace(plan.settings.budget or inf, plan.settings.parts)
        path = path_of(plan.folder, target.name) if plan.recorded else None
        self.records = StepRecords(path, target, under_test.description)
        self.failed = False
        self.faults: list[str] = []
        """Ours, one sentence each."""

    @property
    def ours(self) -> bool:
        """Whether a fault of ours came between."""
        return bool(self.faults)

    @property
    def unfinished(self) -> str:
        """What the time of the check left out, in a sentence; empty if nothing."""
        return self.pace.sentence(self.untried) if self.untried and self.pace.over else ""

    @property
    def stopped(self) -> bool:
        """Whether too many calls have timed out, or one failure is enough."""
        return self.counts.hangs >= HANGS or (self.failed and self.plan.settings.fail_fast)

    @property
    def over(self) -> bool:
        """Whether no more is asked: it has stopped, or the time is up."""
        return self.stopped or self.pace.over

    def rows(self) -> list[CheckRow]:
        """All steps, then the rows."""
        for _ in self.steps():
            pass
        return self.finished_rows()

    def steps(self) -> Iterator[None]:
        """One case after another: those of the first stage, then all. Steps of other implementations may come between."""
        self.refused = self.refused_dtypes()
        settings = self.plan.settings
        if not settings.first_stage:
            yield from self._each(self.schedule.first(), self.asker.first, self._share(settings.shard))
        self.untried, asks = 0, self._share(settings.part(self.target.name))
        for step in self._each(self.scheduled(self.pace.limited), self.asker.suite, asks):
            self.listener.step()
            yield step
        if not settings.shard:
            yield from self._last_steps()

    def _last_steps(self) -> Iterator[None]:
        """Those that the whole suite decides."""
        self.counts.take_leftovers()
        if self.answer_counts.mostly_refused and not self.over:
            for case, properties in self.moved_cases():
                self._through(self._key(self.asker.moved, case), self.asker.moved, case, properties)
                yield  # what functions side by side share is forgotten
        further = takewhile(lambda asked: self._goes_on, self.schedule.further() if self._goes_on else ())
        for step in self._each(further, self.asker.further):
            self.listener.step()
            yield step

    @property
    def _goes_on(self) -> bool:
        """Whether cases of further seeds are asked: there is time, and nothing has failed yet."""
        return self.pace.spent < self.plan.settings.go_on and not (self.over or self.failed or self.answer_counts.too_little)

    def _share(self, part: str) -> Callable[[Case], bool]:
        """Whether a case belongs to this part of the suite."""
        if not part:
            return lambda case: True
        whole = chain(self.schedule.first(), self.scheduled())
        return share(part, (case for case, _ in whole if self._wanted(case)))

    def _wanted(self, case: Case) -> bool:
        return case.problem.dtype in self.plan.settings.dtypes and case.problem.dtype not in self.refused

    def _key(self, step: Step, case: Case) -> str:
        return self.records.key(step.name, case) if step.recorded else ""

    def _each(self, asked: Iterable[Asked], step: Step, asks: Callable[[Case], bool] = lambda case: True) -> Iterator[None]:
        for case, properties in asked:
            if self._wanted(case) and asks(case):
                key = self._key(step, case)
                left_out = self.stopped or (self.pace.over and key not in self.records)
                self.untried += left_out
                if not left_out:
                    self._through(key, step, case, properties)
            self.under_test.forget()
            yield

    def _through(self, key: str, step: Step, case: Case, properties: Sequence[Property]) -> None:
        """A step: the case is asked, or its record is read; then it is counted."""
        seen = self.records.take(key)
        if seen:
            self.pace.restore(seen.seconds, seen.call)
            self.faults += seen.faults
        else:
            seen = self._asked(step, case, properties)
            if step.recorded:
                self.records.add(key, seen)
        findings = self._guarded(partial(step.take, case, properties, seen)) or []
        self._guarded(partial(self._hear, case, findings))

    def _asked(self, step: Step, case: Case, properties: Sequence[Property]) -> Observation:
        """The observation of a case that is asked now."""
        seen, faults, spent = Observation(), len(self.faults), self.pace.spent
        self.pace.take(partial(self._guarded, partial(step.ask, case, properties, seen)))
        self.pace.measure(self.under_test.seconds.last, self.under_test.seconds.compiling)
        seen.faults, seen.seconds, seen.call = self.faults[faults:], self.pace.spent - spent, self.pace.call
        return seen

    def finished_rows(self) -> list[CheckRow]:
        """The rows after the last step: of each property, with its smallest counterexample, and of the implementation."""
        self.counts.errors.save(self.plan.folder, self.target.name)
        builder = RowBuilder(self.under_test, self.target, self.plan, self.waivers, self._guarded, self.aside)
        judged, first = builder.rows(self.tallies), self.properties[0]
        rows = [*judged, *builder.outlived_waivers(), *builder.not_judged(self.properties, self.tallies, self._no_case)]
        rows += builder.refusals(self.refused, first)
        if self.untried and self.counts.hangs >= HANGS:
            rows.append(
                builder.row(first, Outcome.TIMED_OUT, f"{HANGS} calls timed out: {self.untried} further cases were not tried")
            )
        rows += [builder.row(first, Outcome.ERRORED, message) for message in dict.fromkeys(self.faults)]
        too_little = (
            [builder.row(first, Outcome.TOO_LITTLE, self.answer_counts.sentence)] if self.answer_counts.too_little else []
        )
        return rows + too_little

    def _hear(self, case: Case, findings: Sequence[Finding]) -> None:
        """The first failure that no waiver covers is told at once, by the property that is easiest to understand."""
        for finding in sorted(findings, key=lambda finding: finding.property_.id not in PLAIN):
            if finding.wrong and not self.failed and not waivers.covering(self.under_test, self.waivers, case, finding):
                self.failed, name = True, finding.property_.name.replace("_", " ")
                self.listener.failed(f"{finding.outcome}: {name}: {finding.verdict.message} [{case}]")

    def moved_cases(self) -> Iterator[tuple[Case, Sequence[Property]]]:
        """The refused cases once more, moved to where the implementation answers."""
        refused_cases = [case for case, _ in self.answer_counts.refused]
        refused = self.answer_counts.moved(self._guarded(lambda: learned(self._answers, refused_cases)) or Domain())
        deadline = monotonic() + AGAIN_SECONDS
        asked: set[str] = set()
        for case, properties in refused:
            moved = self.answer_counts.domain.moved(case) if self.answer_counts.domain.conditions else None
            if moved and moved.id not in asked and monotonic() < deadline:
                asked.add(moved.id)
                yield self.under_test.within_its_options(moved), properties

    def _answers(self, case: Case) -> bool:
        self.under_test.forget()
        try:
            self.under_test(self.under_test.realise(self.under_test.within_its_options(case)))
        except CallFailed as failure:
            return failure.outcome != Outcome.UNSUPPORTED
        except ValueError:  # no problem at all
            return False
        return True

    def _guarded(self, step: Callable[[], Result]) -> Result | None:
        """The result of the step; None after a fault of ours, which is noted and ends this step alone."""
        try:
            return step()
        except Exception as error:
            require_space(error)
            self.faults.append(our_fault(error))
        return None

    def refused_dtypes(self) -> dict[str, str]:
        """Dtype -> reason: the declaration, else the error of a plain problem in that dtype."""
        declared = self.under_test.description.dtypes
        if declared is not None:
            return {dtype: "not declared" for dtype in DTYPES if dtype not in declared}
        for dtype in DTYPES:
            case = Case(self.under_test.spec.Problem.from_json({"dtype": dtype}))
            self._through(self._key(self.asker.plain, case), self.asker.plain, case, self.properties)
        plain = self.counts.refused
        return {dtype: reason for dtype, reason in plain.items() if reason} if not all(plain.values()) else {}

    def judge_case(self, case: Case, properties: Sequence[Property], find: Find = find) -> tuple[Inputs, list[Finding]]:
        """Judges the case by these properties; returns the inputs and the findings."""
        self.under_test.forget()
        x = self.under_test.realise(case)
        return x, self.count(case, judge(self.under_test, x, properties, find))

    def count(self, case: Case, judgement: Iterable[Finding]) -> list[Finding]:
        """Tallies the findings on a case, and returns them."""
        return self.counts.count(case, judgement)

    def precision(self) -> list[PrecisionRow]:
        """The rows about rounding."""
        return [row for fit in self.counts.precision_fits.values() for row in fit.rows(self.under_test.description)]

    @property
    def _no_case(self) -> str:
        """Why a property has no case."""
        if self.over:
            return "not asked before the check stopped"
        return "not in the first stage" if self.plan.settings.first_stage else "no case of this run applies"

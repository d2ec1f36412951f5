"""The check of one implementation, case after case: tallies, the worked example, samples of its errors, and at the end its rows."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import takewhile
from math import inf
from time import monotonic
from typing import TypeVar

from attention_harness.conformance.agreement import ErrorRecorder
from attention_harness.conformance.answer_counts import AnswerCounts
from attention_harness.conformance.failures import waivers
from attention_harness.conformance.judging import GATES, PLAIN, Failure, Find, Finding, Tally, find, judge
from attention_harness.conformance.our_faults import our_fault, require_space
from attention_harness.conformance.pace import Pace
from attention_harness.conformance.plan import Listener, Plan
from attention_harness.conformance.precision_fit import PrecisionFit
from attention_harness.conformance.records import CheckRow, PrecisionRow
from attention_harness.conformance.schedule import Schedule
from attention_harness.conformance.tallies import RowBuilder
from attention_harness.conformance.under_test import UnderTest
from attention_harness.errors import REFUSALS, CallFailed, Outcome, printable
from attention_harness.generation.coverage import covered
from attention_harness.generation.domain import Domain, learned
from attention_harness.process.worker import Worker
from attention_harness.registry.targets import Target
from attention_specs.case import Case
from attention_specs.formats import DTYPES
from attention_specs.precision import held_to
from attention_specs.property import PROPERTIES, Property
from attention_specs.spec import Inputs

Result = TypeVar("Result")

HANGS = 3
"""Calls that may time out; after them the other cases stay untried."""

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
        self.tallies: dict[tuple[str, str], Tally] = defaultdict(Tally)
        self.errors, self.precision_fits = ErrorRecorder(), dict[str, PrecisionFit]()
        self.waivers = [w for w in waivers.load() if w.implementation == target.name and plan.asks_for(PROPERTIES[w.property])]
        self.worked_example: list[list[float]] = []
        self.answer_counts, self.hangs, self.untried = AnswerCounts(), 0, 0
        self.pace = Pace(plan.settings.budget or inf)
        self.covered: dict[str, list[tuple[str, str]]] = {}
        self.known: dict[tuple[str, str], Failure] = {}
        """Ids of a case and a property -> the case and its finding in the first stage."""
        self.failed, self.further_cases = False, 0
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
    def over(self) -> bool:
        """Whether no more is asked: too many calls have timed out, the time is up, or one failure is enough."""
        return self.hangs >= HANGS or self.pace.over or (self.failed and self.plan.settings.fail_fast)

    def rows(self) -> list[CheckRow]:
        """All steps, then the rows."""
        for _ in self.steps():
            pass
        return self.finished_rows()

    def steps(self) -> Iterator[None]:
        """One case after another: those of the first stage, then all. Steps of other implementations may come between."""
        self.refused = self.refused_dtypes()
        if not self.plan.settings.first_stage:
            yield from self._each(self.schedule.first(), self._try)
        self.untried = 0
        for step in self._each(self.scheduled(self.pace.limited), self._ask):
            self.listener.step()
            yield step
        for case, finding in self.known.values():  # those that the standard suite did not come to
            self.count(case, [finding])
        if self.answer_counts.mostly_refused and not self.over:
            yield from self._ask_moved()
        further = takewhile(lambda asked: self._goes_on, self.schedule.further() if self._goes_on else ())
        for step in self._each(further, self._ask_more):
            self.listener.step()
            yield step

    @property
    def _goes_on(self) -> bool:
        """Whether cases of further seeds are asked: there is time, and nothing has failed yet."""
        return self.pace.spent < self.plan.settings.go_on and not (self.over or self.failed or self.answer_counts.too_little)

    def _ask_more(self, case: Case, properties: Sequence[Property]) -> None:
        """A step with a further case. What would grow with their number, such as their coverage, is not kept."""
        self.under_test.forget()
        self._hear(case, self.count(case, judge(self.under_test, self.under_test.realise(case), properties, self._find)))
        self.further_cases += 1

    def _each(
        self, asked: Iterable[tuple[Case, Sequence[Property]]], step: Callable[[Case, Sequence[Property]], None]
    ) -> Iterator[None]:
        for case, properties in asked:
            if case.problem.dtype in self.plan.settings.dtypes and case.problem.dtype not in self.refused:
                self.untried += self.over
                if not self.over:
                    self.pace.take(partial(self._guarded, partial(step, case, properties)))
                    self.pace.measure(self.under_test.call_seconds, self.under_test.compile_seconds)
            self.under_test.forget()
            yield

    def finished_rows(self) -> list[CheckRow]:
        """The rows after the last step: of each property, with its smallest counterexample, and of the implementation."""
        self.errors.save(self.plan.folder, self.target.name)
        builder = RowBuilder(self.under_test, self.target, self.plan, self.waivers, self._guarded, self.aside)
        judged, first = builder.rows(self.tallies), self.properties[0]
        rows = [*judged, *builder.outlived_waivers(), *builder.not_judged(self.properties, self.tallies, self._no_case)]
        rows += builder.refusals(self.refused, first)
        if self.untried and self.hangs >= HANGS:
            rows.append(
                builder.row(first, Outcome.TIMED_OUT, f"{HANGS} calls timed out: {self.untried} further cases were not tried")
            )
        rows += [builder.row(first, Outcome.ERRORED, message) for message in dict.fromkeys(self.faults)]
        too_little = (
            [builder.row(first, Outcome.TOO_LITTLE, self.answer_counts.sentence)] if self.answer_counts.too_little else []
        )
        return rows + too_little

    def _try(self, case: Case, properties: Sequence[Property]) -> None:
        """A step of the first stage. Its findings are kept for the standard suite, which has the same cases."""
        self.under_test.forget()
        findings = self._until_too_many_hang(judge(self.under_test, self.under_test.realise(case), properties, self._once(case)))
        self.known |= {(case.id, finding.property_.id): (case, finding) for finding in findings}
        self._hear(case, findings)

    def _once(self, case: Case) -> Find:
        """As `find`, of a case that the first stage may have asked."""

        def finding_of(under_test: UnderTest, property_: Property, x: Inputs) -> Finding:
            known = self.known.get((case.id, property_.id))
            return known[1] if known else self._find(under_test, property_, x)

        return finding_of

    def _until_too_many_hang(self, judgement: Iterable[Finding]) -> list[Finding]:
        findings = []
        for finding in judgement:
            findings.append(finding)
            if finding.outcome == Outcome.TIMED_OUT and self.hangs >= HANGS:
                break
        return findings

    def _find(self, under_test: UnderTest, property_: Property, x: Inputs) -> Finding:
        finding = find(under_test, property_, x)
        self.hangs += finding.outcome == Outcome.TIMED_OUT
        return finding

    def _hear(self, case: Case, findings: Sequence[Finding]) -> None:
        """The first failure that no waiver covers is told at once, by the property that is easiest to understand."""
        for finding in sorted(findings, key=lambda finding: finding.property_.id not in PLAIN):
            if finding.wrong and not self.failed and not waivers.covering(self.under_test, self.waivers, case, finding):
                self.failed, name = True, finding.property_.name.replace("_", " ")
                self.listener.failed(f"{finding.outcome}: {name}: {finding.verdict.message} [{case}]")

    def _ask(self, case: Case, properties: Sequence[Property]) -> None:
        x, findings = self.judge_case(case, properties, self._once(case))
        for finding in findings:
            self.known.pop((case.id, finding.property_.id), None)
        self.answer_counts.count(case, properties, findings)
        self._hear(case, findings)
        if not case.arrays and all(finding.outcome == Outcome.AGREES for finding in findings if finding.property_.id in GATES):
            self._measure(case, x)

    def _ask_moved(self) -> Iterator[None]:
        """A step for each: what functions side by side share is forgotten between them."""
        for case, properties in self.moved_cases():
            self._guarded(partial(self._ask, case, properties))
            yield

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
        plain = {dtype: self._refusal(dtype) for dtype in DTYPES}
        return {dtype: reason for dtype, reason in plain.items() if reason} if not all(plain.values()) else {}

    def _refusal(self, dtype: str) -> str:
        """The reason of the refusal of a plain problem in that dtype; empty if it is answered. The gates judge other failures."""
        self.under_test.forget()
        case = Case(self.under_test.spec.Problem.from_json({"dtype": dtype}))
        x = self.under_test.realise(case)
        try:
            self.under_test(x)
        except CallFailed as failure:
            if failure.outcome in REFUSALS:
                return printable(str(failure))
            self._judge_gates(case, x)
        return ""

    def _judge_gates(self, case: Case, x: Inputs) -> None:
        """Counts the failure of a call that no property made."""
        gates = [property_ for property_ in self.properties if property_.id in GATES]
        self._hear(case, self.count(case, judge(self.under_test, x, gates, self._find)))

    def judge_case(self, case: Case, properties: Sequence[Property], find: Find = find) -> tuple[Inputs, list[Finding]]:
        """Judges the case by these properties; returns the inputs and the findings."""
        self.under_test.forget()
        x = self.under_test.realise(case)
        self._cover(case, x)
        return x, self.count(case, judge(self.under_test, x, properties, find))

    def _cover(self, case: Case, x: Inputs) -> None:
        """Notes the coverage of the case, if the implementation is asked at all."""
        with contextlib.suppress(CallFailed):
            self.under_test.lowered(x)
            self.covered[case.id] = sorted(covered(case, x))

    def count(self, case: Case, judgement: Iterable[Finding]) -> list[Finding]:
        """Tallies the findings on a case, and returns them."""
        findings = self._until_too_many_hang(judgement)
        for finding in findings:
            self.tallies[case.problem.dtype, finding.property_.name].add(case, finding)
        return findings

    def _measure(self, case: Case, x: Inputs) -> None:
        """Measures an answer of the right shape: its precision, and its distance from those of others."""
        try:
            out, expected = self.under_test(x), self.under_test.expected(x)
        except CallFailed:  # it answered these inputs in the first stage
            self._judge_gates(case, x)
            return
        if case.recipe.startswith("three_words") and not self.worked_example:
            self.worked_example = out.reshape(out.shape[-2:]).astype(float).tolist()
        self.errors.add(case, out, expected)
        if x.dtype not in self.precision_fits:
            self.precision_fits[x.dtype] = PrecisionFit(x.dtype, held_to(self.under_test.description.precision, x.dtype))
        self.precision_fits[x.dtype].add(x, out, expected)

    def precision(self) -> list[PrecisionRow]:
        """The rows about rounding."""
        return [row for fit in self.precision_fits.values() for row in fit.rows(self.under_test.description)]

    @property
    def _no_case(self) -> str:
        """Why a property has no case."""
        if self.over:
            return "not asked before the check stopped"
        return "not in the first stage" if self.plan.settings.first_stage else "no case of this run applies"

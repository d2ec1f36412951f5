"""One function on its way through the cases of an audit, and its rejections."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from time import perf_counter
from typing import NamedTuple, Protocol

from attention_harness.audit.transcripts import ComparedWorker, RecordingWorker, Script
from attention_harness.conformance.conformance_check import ConformanceCheck
from attention_harness.conformance.judging import Finding, find, judge_applying
from attention_harness.conformance.plan import Plan
from attention_harness.conformance.under_test import Caller, UnderTest
from attention_harness.errors import Outcome
from attention_harness.registry.targets import Target
from attention_specs.case import Case
from attention_specs.contract import Conventions, Description
from attention_specs.formats import DTYPES
from attention_specs.property import PROPERTIES, Property
from attention_specs.spec import Inputs, Spec

VALUED = ("empty_rows", "causal_alignment", "window_alignment", "lse_base")
"""The conventions that say which answer is right; the others are promises that properties ask about one by one."""


@dataclass(frozen=True)
class Kill:
    """A property that rejected a function: after how many cases that it was asked, and how many seconds spent on it."""

    property: str
    clause: str
    outcome: str
    dtype: str
    cases: int
    seconds: float
    case: str
    message: str


class DeclarationSpy(UnderTest):
    """A function under test that notes the declarations that a property asks it about."""

    def __init__(self, worker: Caller, description: Description, spec: Spec) -> None:
        super().__init__(worker, description, spec)
        self.noted: dict[str, object] = {}

    def declared(self, name: str) -> object:
        """A declared convention."""
        self.noted[name] = super().declared(name)
        return self.noted[name]


class DescribedCaller(Caller, Protocol):
    """A caller that knows what its function declares."""

    @property
    def description(self) -> Description:
        """The declarations."""


class Trial:
    """A function and its verdicts so far."""

    turn: int | None = None
    """Its number among the functions that are asked on every so many cases."""

    def __init__(self, name: str, worker: DescribedCaller, plan: Plan, specs: Mapping[str, Spec]) -> None:
        self.name, self.worker = name, worker
        declared: Description = worker.description
        self.description = replace(declared, conventions=declared.conventions.updated(plan.settings.conventions))
        self.under_test = DeclarationSpy(worker, self.description, specs[declared.spec])
        self.checking = ConformanceCheck(self.under_test, Target(name, name), plan)
        self.kills: dict[str, Kill] = {}
        self.rejections: dict[int, str] = {}
        """Place of a case in the suite -> ids of the properties that reject the function on it."""
        self.cases, self.seconds = 0, 0.0

    @cached_property
    def refused(self) -> Mapping[str, str]:
        """Dtypes in which it is not judged."""
        return self.checking.refused_dtypes()

    def kind(self, dtype: str) -> tuple[Description, str | None]:
        """Functions of one kind get the same questions and verdicts in this dtype, but for declarations that a property asks about."""
        valued = Conventions(**{name: getattr(self.description.conventions, name) for name in VALUED})
        plain = replace(self.description, name="", summary="", version="", declared=(), conventions=valued, precision={})
        alike = replace(plain, names={}, positional=(), needed=(), returns=(), open_side=None, notes=())
        return alike, self.description.precision.get(dtype)

    def step_at(self, place: int, case: Case, properties: Sequence[Property]) -> None:
        """One case at its place in the suite."""
        wrong = [finding.property_.id for finding in self.step(case, properties) if finding.wrong]
        if wrong:
            self.rejections[place] = " ".join(wrong)

    def step(self, case: Case, properties: Sequence[Property]) -> list[Finding]:
        """One case by these properties."""
        if case.problem.dtype in self.refused:
            return []
        started = perf_counter()
        findings = self.judged(case, properties)
        self.checking.answer_counts.count(case, properties, findings)
        self.under_test.forget()  # hundreds of functions would each keep the arrays of a case
        self.cases += 1
        self.seconds += perf_counter() - started
        for finding in findings:
            if finding.wrong:
                self._killed(finding.property_, finding.outcome, case.problem.dtype, str(case), finding.verdict.message)
        return findings

    def judged(self, case: Case, properties: Sequence[Property]) -> list[Finding]:
        """The findings of the properties on the case."""
        return self.checking.judge_case(case, properties, self.find)[1]

    def find(self, under_test: UnderTest, property_: Property, x: Inputs) -> Finding:
        """The finding of one property on these inputs."""
        self.under_test.noted = {}
        return find(under_test, property_, x)

    def close(self) -> None:
        """The end of the cases: a function that refused most is asked where it answers; properties of the whole run are judged."""
        if self.checking.answer_counts.mostly_refused and not self.kills:
            self.ask_where_it_answers()
        for (dtype, name), tally in self.checking.tallies.items():
            tally.close(PROPERTIES[name])
            if tally.outcome == Outcome.VIOLATES:
                self._killed(PROPERTIES[name], tally.outcome, dtype, "the whole run", tally.reason)

    def ask_where_it_answers(self) -> None:
        """The refused cases, moved to where it answers, until one rejects it."""
        for case, properties in self.checking.moved_cases():
            self.step(case, properties)
            if self.kills:
                return

    def _killed(self, property_: Property, outcome: Outcome, dtype: str, case: str, message: str) -> None:
        kill = Kill(property_.name, property_.id, outcome, dtype, self.cases, round(self.seconds, 3), case, message)
        self.kills.setdefault(property_.name, kill)


class Judged(NamedTuple):
    """The script of a property and a control, the declarations that it asked about, and its finding."""

    script: Script
    declared: Mapping[str, object]
    finding: Finding


class Base(Trial):
    """A control whose answers to each property on the current case are recorded for others to be compared with."""

    worker: RecordingWorker

    def __init__(self, name: str, function: Callable[..., object], plan: Plan, specs: Mapping[str, Spec]) -> None:
        undeclared = replace(plan, settings=replace(plan.settings, declared={}))
        super().__init__(name, RecordingWorker(function, name), undeclared, specs)
        self.judgements: dict[str, Judged] = {}

    def step(self, case: Case, properties: Sequence[Property]) -> list[Finding]:
        """One case by these properties; its scripts are kept until the next."""
        self.worker.begin()
        self.judgements = {}
        return super().step(case, properties)

    def find(self, under_test: UnderTest, property_: Property, x: Inputs) -> Finding:
        """The finding of one property, with its script."""
        under_test.forget_answers()
        self.worker.property_()
        finding = super().find(under_test, property_, x)
        self.judgements[property_.name] = Judged(self.worker.script, self.under_test.noted, finding)
        return finding


class MutantRun(Trial):
    """A function that a property judges only where its answers differ from those of the controls of its kind."""

    worker: ComparedWorker

    def __init__(
        self, name: str, function: Callable[..., object], plan: Plan, specs: Mapping[str, Spec], bases: Sequence[Base] = (),
        turn: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(name, ComparedWorker(function, name), plan, specs)
        self.turn = turn
        self.bases = {dtype: [base for base in bases if base.kind(dtype) == self.kind(dtype)] for dtype in DTYPES}
        self.alike: list[Base] = []

    def needs(self, base: Base) -> bool:
        """Whether it is compared with the base in some dtype."""
        return any(base in bases for bases in self.bases.values())

    def step(self, case: Case, properties: Sequence[Property]) -> list[Finding]:
        """One case by these properties."""
        findings = super().step(case, properties)
        self.worker.begin()  # hundreds of functions would each keep their answers
        return findings

    def judged(self, case: Case, properties: Sequence[Property]) -> list[Finding]:
        """The findings of the properties; the controls of its kind show which of them apply."""
        self.alike = self.bases[case.problem.dtype]
        if not self.alike:
            return super().judged(case, properties)
        applying = {name for base in self.alike for name in base.judgements}
        known, under_test = [property_ for property_ in properties if property_.name in applying], self.under_test
        under_test.forget()
        return self.checking.count(case, judge_applying(under_test, under_test.realise(case), known, self.find))

    def ask_where_it_answers(self) -> None:
        """Without the controls, which are not asked there."""
        self.bases = {dtype: [] for dtype in DTYPES}
        super().ask_where_it_answers()

    def find(self, under_test: UnderTest, property_: Property, x: Inputs) -> Finding:
        """The finding of a control with the same answers, else its own."""
        self.worker.property_()
        for judgement in (base.judgements[property_.name] for base in self.alike if property_.name in base.judgements):
            if self._declares(judgement.declared) and self.worker.follows(judgement.script):
                return judgement.finding
        under_test.forget_answers()
        self.worker.restart()
        return super().find(under_test, property_, x)

    def _declares(self, asked: Mapping[str, object]) -> bool:
        declared = self.description.conventions
        return all(getattr(declared, name) == value for name, value in asked.items())

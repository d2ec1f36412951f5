"""The ways in which a case is asked: each fills an observation, and counts nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from attention_harness.conformance.agreement import ErrorSample
from attention_harness.conformance.judging import GATES, Find, Finding, find, judge
from attention_harness.conformance.precision_fit import PrecisionFit
from attention_harness.conformance.steps.counts import Counts
from attention_harness.conformance.steps.observation import Judged, Observation
from attention_harness.conformance.under_test import UnderTest
from attention_harness.errors import REFUSALS, CallFailed, Outcome, printable
from attention_harness.generation.coverage import covered
from attention_specs.case import Case
from attention_specs.precision import held_to
from attention_specs.property import Property
from attention_specs.spec import Inputs

Ask = Callable[[Case, Sequence[Property], Observation], None]
Take = Callable[[Case, Sequence[Property], Observation], list[Finding]]


class Step(NamedTuple):
    """One kind of step: its name in the records, how a case is asked, and how what was seen is counted."""

    name: str
    ask: Ask
    take: Take
    recorded: bool = True


class Asker:
    """Asks one implementation. It looks at the counts for what is known already, and for how much may still hang."""

    def __init__(self, under_test: UnderTest, counts: Counts) -> None:
        self.under_test, self.counts = under_test, counts
        self.plain = Step("plain", self._ask_plain, counts.take_plain)
        self.first = Step("first", self._ask_first, counts.take_first)
        self.suite = Step("suite", self._ask_suite, counts.take_suite)
        self.moved = Step("moved", self._ask_suite, counts.take_suite)
        self.further = Step("further", self._ask_further, counts.take_further, recorded=False)

    def _ask_plain(self, case: Case, properties: Sequence[Property], seen: Observation) -> None:
        """The reason of the refusal of a plain problem. The gates judge other failures."""
        x = self._realised(case)
        try:
            self.under_test(x)
        except CallFailed as failure:
            if failure.outcome in REFUSALS:
                seen.refusal = printable(str(failure))
            else:
                seen.judged = self._gates(case, x, properties)

    def _ask_first(self, case: Case, properties: Sequence[Property], seen: Observation) -> None:
        seen.note(self._judged(case, self._realised(case), properties, find))

    def _ask_suite(self, case: Case, properties: Sequence[Property], seen: Observation) -> None:
        x = self._realised(case)
        seen.covered = self.coverage(case, x)
        findings = seen.note(self._judged(case, x, properties, self._once(case)))
        if not case.arrays and all(finding.outcome == Outcome.AGREES for finding in findings if finding.property_.id in GATES):
            self._measure(case, x, properties, seen)

    def _ask_further(self, case: Case, properties: Sequence[Property], seen: Observation) -> None:
        seen.note(self._judged(case, self._realised(case), properties, find))

    def _realised(self, case: Case) -> Inputs:
        self.under_test.forget()
        return self.under_test.realise(case)

    def _judged(self, case: Case, x: Inputs, properties: Sequence[Property], find: Find) -> list[Finding]:
        return self.counts.until_too_many_hang(case, judge(self.under_test, x, properties, find))

    def _once(self, case: Case) -> Find:
        """As `find`, of a case that the first stage may have asked."""

        def finding_of(under_test: UnderTest, property_: Property, x: Inputs) -> Finding:
            known = self.counts.known.get((case.id, property_.id))
            return known[1] if known else find(under_test, property_, x)

        return finding_of

    def coverage(self, case: Case, x: Inputs) -> list[tuple[str, str]] | None:
        """The coverage of the case, if the implementation is asked at all."""
        with contextlib.suppress(CallFailed):
            self.under_test.lowered(x)
            return sorted(covered(case, x))
        return None

    def _gates(self, case: Case, x: Inputs, properties: Sequence[Property]) -> list[Judged]:
        """The failure of a call that no property made."""
        gates = [property_ for property_ in properties if property_.id in GATES]
        return [Judged.of(finding) for finding in self._judged(case, x, gates, find)]

    def _measure(self, case: Case, x: Inputs, properties: Sequence[Property], seen: Observation) -> None:
        """Measures an answer of the right shape: its precision, and its distance from those of others."""
        try:
            out, expected = self.under_test(x), self.under_test.expected(x)
        except CallFailed:  # it answered these inputs in the first stage
            seen.later = self._gates(case, x, properties)
            return
        if case.recipe.startswith("three_words"):
            seen.worked_example = out.reshape(out.shape[-2:]).astype(float).tolist()
        if self.counts.errors.wants(out):
            seen.error = ErrorSample.measured(out, expected)
        fit = PrecisionFit(x.dtype, held_to(self.under_test.description.precision, x.dtype))
        fit.add(x, out, expected)
        seen.fit = fit

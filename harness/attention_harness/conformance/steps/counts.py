"""What a check of one implementation has counted: it takes observations, wherever they come from, in the order of the suite."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from attention_harness.conformance.agreement import ErrorRecorder
from attention_harness.conformance.answer_counts import AnswerCounts
from attention_harness.conformance.judging import Failure, Finding, Tally
from attention_harness.conformance.precision_fit import PrecisionFit
from attention_harness.conformance.steps.observation import Judged, Observation
from attention_harness.errors import Outcome
from attention_specs.case import Case
from attention_specs.property import Property

HANGS = 3
"""Calls that may time out; after them the other cases stay untried."""


class Counts:
    """Tallies, answers, errors and fits. Each way to take an observation returns the findings that it counted."""

    def __init__(self) -> None:
        self.tallies: dict[tuple[str, str], Tally] = defaultdict(Tally)
        self.errors, self.precision_fits = ErrorRecorder(), dict[str, PrecisionFit]()
        self.worked_example: list[list[float]] = []
        self.answer_counts, self.hangs, self.further = AnswerCounts(), 0, 0
        self.covered: dict[str, list[tuple[str, str]]] = {}
        self.known: dict[tuple[str, str], Failure] = {}
        """Ids of a case and a property -> the case and its finding in the first stage."""
        self.refused: dict[str, str] = {}
        """Dtype -> the reason of its refusal, of those that were asked."""

    def until_too_many_hang(self, case: Case, judgement: Iterable[Finding]) -> list[Finding]:
        """The findings, up to the last call that may time out. Those that the first stage knows have no call of their own."""
        findings, hangs = [], self.hangs
        for finding in judgement:
            findings.append(finding)
            if finding.outcome == Outcome.TIMED_OUT:
                hangs += (case.id, finding.property_.id) not in self.known
                if hangs >= HANGS:
                    break
        return findings

    def count(self, case: Case, judgement: Iterable[Finding]) -> list[Finding]:
        """Tallies the findings on a case, and returns them."""
        findings = self.until_too_many_hang(case, judgement)
        for finding in findings:
            self.tallies[case.problem.dtype, finding.property_.name].add(case, finding)
        return findings

    def take_plain(self, case: Case, properties: Sequence[Property], seen: Observation) -> list[Finding]:
        """Of a plain problem in one dtype."""
        self.refused[case.problem.dtype] = seen.refusal
        return self._count(case, seen.judged)

    def take_first(self, case: Case, properties: Sequence[Property], seen: Observation) -> list[Finding]:
        """Of the first stage: its findings are kept for the standard suite, which has the same cases."""
        findings = self._noted(case, self.until_too_many_hang(case, (judged.finding for judged in seen.judged)))
        self.known |= {(case.id, finding.property_.id): (case, finding) for finding in findings}
        return findings

    def take_suite(self, case: Case, properties: Sequence[Property], seen: Observation) -> list[Finding]:
        """Of the standard suite."""
        if seen.covered is not None:
            self.covered[case.id] = seen.covered
        findings = self._count(case, seen.judged)
        for finding in findings:
            self.known.pop((case.id, finding.property_.id), None)
        self.answer_counts.count(case, properties, findings)
        return findings + self._measured(case, seen)

    def take_further(self, case: Case, properties: Sequence[Property], seen: Observation) -> list[Finding]:
        """Of a further case. What would grow with their number, such as their coverage, is not kept."""
        self.further += 1
        return self._count(case, seen.judged)

    def take_leftovers(self) -> None:
        """The findings of the first stage that the standard suite did not come to."""
        for case, finding in self.known.values():
            self.count(case, [finding])

    def _count(self, case: Case, judged: Sequence[Judged]) -> list[Finding]:
        return self._noted(case, self.count(case, (one.finding for one in judged)))

    def _noted(self, case: Case, findings: list[Finding]) -> list[Finding]:
        """The findings, once their calls that timed out are counted."""
        hung = [finding for finding in findings if finding.outcome == Outcome.TIMED_OUT]
        self.hangs += sum((case.id, finding.property_.id) not in self.known for finding in hung)
        return findings

    def _measured(self, case: Case, seen: Observation) -> list[Finding]:
        """Takes the measurements of an answer; returns what the gates found where there was none."""
        self.worked_example = self.worked_example or seen.worked_example
        if seen.error is not None:
            self.errors.add(case, seen.error)
        if seen.fit is not None and self.precision_fits.setdefault(seen.fit.dtype, seen.fit) is not seen.fit:
            self.precision_fits[seen.fit.dtype].join(seen.fit)
        return self._count(case, seen.later)

"""The rows of the properties that were judged: each with its failure made small, its waiver, and its further failures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic

from attention_harness.conformance.diagnosis.diagnosis import Diagnosis
from attention_harness.conformance.failures.evidence import Evidence, Exclusion, MinimalFailure, nothing
from attention_harness.conformance.failures.waivers import Waiver, covering, outlived
from attention_harness.conformance.judging import PLAIN, Failure, Finding, Tally
from attention_harness.conformance.plan import Plan
from attention_harness.conformance.records import CheckRow, FurtherFailure, check_row
from attention_harness.conformance.under_test import UnderTest
from attention_harness.errors import Outcome
from attention_harness.process.worker import Worker
from attention_harness.registry.targets import Target
from attention_specs.case import Case
from attention_specs.property import PROPERTIES, Property

MINIMISE_SECONDS = 20.0
"""For all failures of one implementation together. The first failures of the rows come first, each with half of the time that is left."""

Guard = Callable[[Callable[[], object]], object]
"""Calls a step and returns its result; after a fault of ours it notes the fault and returns None."""


@dataclass
class Line:
    """A row while it is built."""

    dtype: str
    property_: Property
    tally: Tally
    waiver: Waiver | None = None
    waived: list[Failure] = field(default_factory=list)
    excluded: Exclusion = nothing
    minimal: MinimalFailure | None = None
    others: list[FurtherFailure] = field(default_factory=list)
    looks_like: str = ""

    @property
    def new(self) -> bool:
        """Whether anything fails that no waiver covers."""
        return self.tally.failures != self.waived

    @property
    def wrong(self) -> bool:
        """Whether an answer is wrong, and none is absent."""
        return self.tally.outcome == Outcome.VIOLATES


class RowBuilder:
    """Builds the rows of one implementation from its tallies."""

    def __init__(
        self,
        under_test: UnderTest,
        target: Target,
        plan: Plan,
        waivers: Sequence[Waiver],
        guard: Guard,
        aside: Worker | None = None,
    ) -> None:
        self.under_test, self.plan, self.waivers, self.guard = under_test, plan, waivers, guard
        self.evidence = Evidence(under_test, target, plan, [waiver.case for waiver in waivers], aside)
        self.left = MINIMISE_SECONDS
        self.diagnosis = Diagnosis(under_test)

    def rows(self, tallies: Mapping[tuple[str, str], Tally]) -> list[CheckRow]:
        """One row for each dtype and property that is asked for or fails."""
        lines = [Line(dtype, PROPERTIES[name], tally) for (dtype, name), tally in tallies.items()]
        for line in lines:
            line.tally.close(line.property_)
            self._timed(partial(self._show, line))
        more = sorted(((line, line.minimal) for line in lines if line.minimal and line.new), key=lambda pair: not pair[1].new)
        for place, (line, first) in enumerate(more):
            self._timed(partial(self._show_others, line, first, self.left / (len(more) - place)))
        self.guard(partial(self._explain, lines))
        return [self._row(line) for line in lines if self.plan.asks_for(line.property_) or line.tally.first]

    def _timed(self, step: Callable[[], None]) -> None:
        start = monotonic()
        self.guard(step)
        self.left = max(self.left - (monotonic() - start), 0.0)

    def _show(self, line: Line) -> None:
        self._set_waived_apart(line)
        if line.tally.first:
            line.minimal = self.evidence.minimal(line.tally.first, self.left / 2, line.excluded)

    def _set_waived_apart(self, line: Line) -> None:
        """The failures that a waiver covers are no longer tallied, unless all are."""
        if not any(waiver.property == line.property_.name for waiver in self.waivers):
            return
        pairs = [(failure, covering(self.under_test, self.waivers, *failure)) for failure in line.tally.failures]
        line.waived = [failure for failure, waiver in pairs if waiver]
        line.waiver = next((waiver for _, waiver in pairs if waiver), None)
        if new := [failure for failure, waiver in pairs if not waiver]:
            line.tally.failures, line.excluded = new, self._covered

    def _covered(self, case: Case, finding: Finding) -> bool:
        return covering(self.under_test, self.waivers, case, finding) is not None

    def _show_others(self, line: Line, first: MinimalFailure, seconds: float) -> None:
        minimal = self.evidence.others(line.tally.kinds, first, seconds, line.excluded)
        line.others = [one.among(line.tally.failures) for one in minimal]

    def _explain(self, lines: Sequence[Line]) -> None:
        """Says what wrong answers look like, those of the easiest properties first."""
        wrong = [(line, line.minimal.failure[0]) for line in lines if line.minimal and line.wrong and line.new]
        for _, case in sorted(wrong, key=lambda pair: pair[0].property_.id not in PLAIN):
            self.diagnosis.hear(case)
        for line, case in wrong:
            line.looks_like = self.diagnosis.sentence(case)

    def _row(self, line: Line) -> CheckRow:
        again = self.evidence.again(line.property_) if line.tally.outcome == Outcome.VIOLATES and not line.tally.first else ""
        minimal = line.minimal
        row = check_row(
            self.under_test.description,
            line.property_,
            line.tally,
            dtype=line.dtype,
            case=minimal.case if minimal else "",
            message=minimal.message if minimal else line.tally.message,
            replay=minimal.replay if minimal else again,
            others=line.others,
        )
        row = replace(row, looks_like=line.looks_like)
        if line.waiver is None:
            return row
        if not line.new:
            return replace(row, outcome=Outcome.WAIVED, message=f"{line.waiver}: {row.message}")
        known = FurtherFailure(outcome=Outcome.WAIVED, case="", message=str(line.waiver), replay="", cases=len(line.waived))
        return replace(row, others=[*line.others, known])

    def not_judged(
        self, properties: Sequence[Property], tallies: Mapping[tuple[str, str], Tally], no_case: str
    ) -> list[CheckRow]:
        """The rows of properties without a case: the signature lacks an option, or no case that fits was drawn."""
        description, judged = self.under_test.description, {name for _, name in tallies}
        rows = []
        for property_ in properties:
            if property_.name not in judged and self.plan.asks_for(property_):
                missing = [option for option in property_.options if option not in description.options]
                nothing = Tally(reason=f"{', '.join(missing)} not in its signature") if missing else Tally(vacuous=1)
                if property_.gradient and not description.gradient:
                    nothing = Tally(reason="gradient not declared")
                reason = nothing.reason or self.plan.absent.get(property_.name) or no_case
                rows.append(check_row(description, property_, nothing, message=reason))
        return rows

    def refusals(self, refused: Mapping[str, str], property_: Property) -> list[CheckRow]:
        """The rows of refused dtypes."""
        wanted = {dtype: reason for dtype, reason in refused.items() if dtype in self.plan.settings.dtypes}
        return [
            check_row(self.under_test.description, property_, Tally(reason=reason), dtype=dtype, message=reason)
            for dtype, reason in wanted.items()
        ]

    def outlived_waivers(self) -> list[CheckRow]:
        """A failing row for each waiver that is no longer needed."""
        pairs = outlived(self.under_test, self.waivers)
        return [self.row(PROPERTIES[waiver.property], Outcome.VIOLATES, message) for waiver, message in pairs]

    def row(self, property_: Property, outcome: Outcome, message: str) -> CheckRow:
        """A row without a case: about the property, or about the implementation as a whole."""
        return replace(check_row(self.under_test.description, property_, Tally(), message=message), outcome=outcome)

"""One case, all properties: the implementation and the oracle answer once, then each property is judged on it in turn."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from time import perf_counter

import numpy as np

from attention_harness.conformance.under_test import UnderTest
from attention_harness.errors import CallFailed, Outcome, printable
from attention_specs.case import Case
from attention_specs.judge import Verdict
from attention_specs.property import Property
from attention_specs.spec import Inputs


@dataclass(frozen=True)
class Finding:
    """The result of one property on one case."""

    property_: Property
    outcome: Outcome
    verdict: Verdict
    seconds: float = 0.0

    @property
    def wrong(self) -> bool:
        """Whether the implementation is to blame."""
        return self.outcome.wrong

    @property
    def kind(self) -> tuple[Outcome, str]:
        """The key by which failures differ: the outcome, and the message without numbers, shapes and addresses.

        The message of a violation counts up to the answer; the right value after it does not.
        """
        message = self.verdict.message
        words = message.partition(", but should")[0] if self.outcome == Outcome.VIOLATES else message
        return self.outcome, SHAPE.sub("#", NUMBER.sub("#", INDEX.sub("[]", words)))


INDEX = re.compile(r"\[[^\]]*\]")
NUMBER = re.compile(r"0x[\da-fA-F]+|[-+]?\d[\d_]*(\.\d*)?([eE][-+]?\d+)?")
SHAPE = re.compile(r"#(\s?[,x*]\s?#)+,?|#,(?=\))")
"""Numbers in a row, however many: (2, 3), 2x3x4, (5,)."""

Failure = tuple[Case, Finding]


@dataclass
class Tally:
    """All findings of one property in one dtype. Vacuous cases are not among `cases`."""

    cases: int = 0
    vacuous: int = 0
    worst: float = 0.0
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)
    reason: str = ""
    outcomes: dict[Outcome, int] = field(default_factory=dict)
    samples: list[tuple[float, ...]] = field(default_factory=list)
    together: Verdict | None = None
    """Of a property about the whole run, once all cases were seen."""

    def add(self, case: Case, finding: Finding) -> None:
        """Counts one finding."""
        self.seconds += finding.seconds
        self.samples += finding.verdict.samples
        self.outcomes[finding.outcome] = self.outcomes.get(finding.outcome, 0) + 1
        if finding.outcome == Outcome.UNSUPPORTED:
            self.reason = finding.verdict.message
            return
        self.cases += finding.outcome != Outcome.VACUOUS
        self.vacuous += finding.outcome == Outcome.VACUOUS
        if not (np.isnan(self.worst) or finding.verdict.ratio <= self.worst):  # once NaN, it stays NaN
            self.worst = finding.verdict.ratio
        if finding.wrong:
            self.failures.append((case, finding))

    @property
    def kinds(self) -> list[list[Failure]]:
        """The failures of each kind: one kind of every outcome, the worst first, and then the further ones.

        Of each kind those come first whose numbers are not given, since they can be made small.
        """
        kinds: dict[tuple[Outcome, str], list[Failure]] = {}
        for case, finding in sorted(self.failures, key=lambda failure: bool(failure[0].arrays)):
            kinds.setdefault(finding.kind, []).append((case, finding))
        ranked = sorted(kinds, key=lambda kind: kind[0].severity)
        turns = {kind: [other for other in ranked if other[0] == kind[0]].index(kind) for kind in ranked}
        return [kinds[kind] for kind in sorted(ranked, key=turns.__getitem__)]

    @property
    def first(self) -> Failure | None:
        """The failure that the row is about: the first of the first kind."""
        return min(self.failures, key=lambda failure: (failure[1].outcome.severity, bool(failure[0].arrays)), default=None)

    @property
    def message(self) -> str:
        """The message of the first failure, else the reason that there is none."""
        return self.first[1].verdict.message if self.first else self.reason

    def close(self, property_: Property) -> None:
        """All cases were seen: a property about the whole run is judged now."""
        if property_.over_run and self.samples and not self.first:
            self.together = property_.over_run(self.samples)
            self.worst = self.together.ratio
            self.reason = self.together.message
            if self.together.vacuous:
                self.cases, self.vacuous = 0, self.vacuous + self.cases

    @property
    def outcome(self) -> Outcome:
        """The outcome of the first failure; else whether any case was judged."""
        if self.first:
            return self.first[1].outcome
        if self.together and not self.together.holds:
            return Outcome.VIOLATES
        if self.cases:
            return Outcome.AGREES
        return Outcome.VACUOUS if self.vacuous else Outcome.UNSUPPORTED


def find(under_test: UnderTest, property_: Property, x: Inputs) -> Finding:
    """Judges one property on these inputs."""
    start = perf_counter()
    try:
        with np.errstate(all="ignore"):
            verdict = _noted(property_.check(under_test, x), under_test.form.note(x))
        outcome = Outcome.VIOLATES if not verdict.holds else Outcome.VACUOUS if verdict.vacuous else Outcome.AGREES
    except CallFailed as failure:
        outcome, verdict = _after_a_restart(failure), Verdict(np.inf, printable(str(failure)))
    return Finding(property_, outcome, verdict, perf_counter() - start)


def _noted(verdict: Verdict, note: str) -> Verdict:
    """The verdict, whose message says what the inputs do not show."""
    return verdict if verdict.holds or not note else replace(verdict, message=f"{verdict.message} ({note})")


def _after_a_restart(failure: CallFailed) -> Outcome:
    """The outcome of the call. An implementation that loaded once and fails to load after its process died is an error."""
    return Outcome.ERRORED if failure.outcome in (Outcome.UNLOADABLE, Outcome.UNAVAILABLE) else failure.outcome


Find = Callable[[UnderTest, Property, Inputs], Finding]


def judge(under_test: UnderTest, x: Inputs, properties: Iterable[Property], find: Find = find) -> Iterator[Finding]:
    """Findings of all properties that apply. Where there is no answer, or one of the wrong shape, its gate alone is judged."""
    return judge_applying(under_test, x, [property_ for property_ in properties if applies(under_test, property_, x)], find)


def judge_applying(under_test: UnderTest, x: Inputs, properties: Iterable[Property], find: Find = find) -> Iterator[Finding]:
    """As `judge`, of properties that are known to apply."""
    for property_ in sorted(properties, key=lambda property_: property_.id not in GATES):
        finding = find(under_test, property_, x)
        yield finding
        if property_.id in GATES and finding.outcome != Outcome.AGREES:
            return


GATES = ("P1", "P2", "L1", "L2", "J1", "J2")
"""Ids of the properties that come first, an answer and its shape: without them there is nothing to judge."""

PLAIN = (*GATES, "P4", "L4", "J4")
"""Ids of the gates, and of the agreement of the output with the oracle: their failures are the easiest to understand."""


def applies(under_test: UnderTest, property_: Property, x: Inputs) -> bool:
    """Whether the property can be judged on these inputs with the options of the signature and the declarations."""
    declared = under_test.description
    if (property_.gradient and not declared.gradient) or not property_.is_about(declared):
        return False
    with np.errstate(all="ignore"):
        return set(property_.options) <= set(under_test.description.options) and bool(property_.needs(x))


def fails(under_test: UnderTest, property_: Property, case: Case) -> Finding | None:
    """The finding if the property alone fails on the case, else None."""
    under_test.forget()
    x = under_test.realise(case)
    if not applies(under_test, property_, x):
        return None
    finding = find(under_test, property_, x)
    return finding if finding.wrong else None

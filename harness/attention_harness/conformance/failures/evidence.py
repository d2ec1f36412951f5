"""The evidence of a failure: the smallest case that fails in the same way, in a file that replays it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import monotonic

from attention_harness.conformance.failures import reproducers
from attention_harness.conformance.failures.causes import alike, explains, needs
from attention_harness.conformance.failures.shrink import minimise
from attention_harness.conformance.judging import Failure, Finding, fails
from attention_harness.conformance.plan import Plan
from attention_harness.conformance.records import FurtherFailure
from attention_harness.conformance.under_test import UnderTest
from attention_harness.errors import Outcome
from attention_harness.process.worker import Worker
from attention_harness.registry.targets import Target
from attention_specs.case import Case
from attention_specs.property import Property

REPEATS = 30
"""Attempts to see a failure again that was absent at the second call."""

MOST_FAILURES = 3
"""Failures of one property in one dtype that a row has, if they differ in kind."""

AFTER_OTHERS = "only after other calls"
"""The condition of a failure whose smallest case is right in a new process."""

Exclusion = Callable[[Case, Finding], bool]


@dataclass(frozen=True)
class MinimalFailure:
    """One failure with its smallest case. `new` is True where no earlier failure has the same smallest case."""

    failure: Failure
    case: str
    message: str
    replay: str
    new: bool

    def among(self, failures: Sequence[Failure]) -> FurtherFailure:
        """As one of the further failures of a row, with the number of those that are of its kind and have all that it needs."""
        case, finding = self.failure
        number = sum(other.kind == finding.kind and needs(its) >= needs(case) for its, other in failures)
        return FurtherFailure(outcome=finding.outcome, case=self.case, message=self.message, replay=self.replay, cases=number)


def nothing(case: Case, finding: Finding) -> bool:
    """No failure is excluded."""
    return False


class Evidence:
    """Failures of one implementation, made small one after the other. A process `aside` is asked small cases alone."""

    def __init__(
        self, under_test: UnderTest, target: Target, plan: Plan, known: Sequence[Case] = (), aside: Worker | None = None
    ) -> None:
        self.under_test, self.target, self.plan, self.aside = under_test, target, plan, aside
        self.dependent = False
        self.smallest = list(known)

    def minimal(self, failure: Failure, seconds: float, excluded: Exclusion = nothing) -> MinimalFailure:
        """The failure made small, without becoming one that is excluded, and written down."""
        case, finding = failure
        deadline, new = monotonic() + seconds, False
        when = self._not_repeatable(case, finding, deadline)
        if not when and finding.outcome != Outcome.TIMED_OUT:
            known = self._known(case, finding, excluded)
            case, finding = self._smallest(*(known or failure), seconds, excluded)
            if new := known is None:
                self.smallest.append(case)
            if not self._fails_alone(case, finding, new, deadline):
                when = self._often(case, finding, deadline, []) or AFTER_OTHERS
        message = f"{when}{': ' if when else ''}{finding.verdict.message} [{case}]"
        path = reproducers.write(self.plan.folder, self.target, self.under_test, finding.property_, case, message, when)
        return MinimalFailure((case, finding), path.stem, message, f"attention-harness replay {path}", new)

    def others(
        self, kinds: Sequence[Sequence[Failure]], first: MinimalFailure, seconds: float, excluded: Exclusion = nothing
    ) -> list[MinimalFailure]:
        """The further failures of a row, each made small: those of other kinds, then those that need something else."""
        deadline, minimal = monotonic() + seconds, [first]
        for failure in self._further(kinds, minimal, deadline):
            if len(minimal) == MOST_FAILURES:
                break
            left = max(deadline - monotonic(), 0) / 2
            one = self.minimal(failure, left, lambda *smaller: excluded(*smaller) or self._explained(minimal, *smaller))
            if one.case not in [other.case for other in minimal]:
                minimal.append(one)
        return minimal[1:]

    def _further(self, kinds: Sequence[Sequence[Failure]], minimal: list[MinimalFailure], deadline: float) -> Iterator[Failure]:
        """One failure of each other kind; of the first kind those that none of the smallest cases explains.

        Where the first case is that of an earlier failure, only those count that lack one of its needs: the earlier failure
        had the others.
        """
        yield from (kind[0] for kind in kinds[1:])
        least = needs(minimal[0].failure[0])
        for special, failure in {needs(case): (case, finding) for case, finding in reversed(kinds[0])}.items():
            lacking = not special >= least
            if (lacking or minimal[0].new) and monotonic() < deadline and not self._explained(minimal, *failure):
                yield failure

    def _explained(self, minimal: Sequence[MinimalFailure], case: Case, finding: Finding) -> bool:
        known = [one.failure[0] for one in minimal if one.failure[1].kind == finding.kind]
        return any(explains(self.under_test, smallest, case, finding) for smallest in known)

    def again(self, property_: Property) -> str:
        """The command that asks for a property about the whole run once more."""
        return f"attention-harness check {self.target.name} --property {property_.name} {self.plan.settings.drawing}"

    def _not_repeatable(self, case: Case, finding: Finding, deadline: float) -> str:
        """The frequency of a failure that is absent at the second call; empty if it comes again at once.

        A call that timed out is not asked again.
        """
        if finding.outcome == Outcome.TIMED_OUT or fails(self.under_test, finding.property_, case):
            return ""
        return self._often(case, finding, deadline, [False])

    def _often(self, case: Case, finding: Finding, deadline: float, again: list[bool]) -> str:
        """The frequency of a failure in further calls, those in `again` included; empty if it always comes."""
        while len(again) < REPEATS and monotonic() < deadline:
            again.append(fails(self.under_test, finding.property_, case) is not None)
        return "" if all(again) else f"not repeatable, {1 + sum(again)} of {1 + len(again)} times"

    def _fails_alone(self, case: Case, finding: Finding, new: bool, deadline: float) -> bool:
        """Whether the property fails on the case in the process aside, without earlier calls; True where time is out.

        The process is started anew for a new case, and for every case once a failure has depended on earlier calls: until
        then a failure in it most likely needs no earlier calls.
        """
        if self.aside is None or (self.aside.starts and monotonic() > deadline):
            return True
        alone = UnderTest(self.aside, self.under_test.description, self.under_test.spec)
        if not new and not self.dependent and fails(alone, finding.property_, case):
            return True
        self.aside.stop()
        failing = fails(alone, finding.property_, case) is not None
        self.dependent |= not failing
        return failing

    def _known(self, case: Case, finding: Finding, excluded: Exclusion) -> Failure | None:
        """A minimal case of an earlier failure, if this property fails on it too for the same cause: it is one bug."""
        for earlier in self.smallest:
            known = earlier.with_problem(dtype=case.problem.dtype)
            again = alike(self.under_test, finding.property_, known, finding.kind)
            if again and not excluded(known, again) and explains(self.under_test, known, case, finding):
                return known, again
        return None

    def _smallest(self, case: Case, finding: Finding, seconds: float, excluded: Exclusion) -> Failure:
        findings = {case.id: finding}

        def still(simpler: Case) -> bool:
            again = alike(self.under_test, finding.property_, simpler, finding.kind)
            if again and not excluded(simpler, again):
                findings[simpler.id] = again
                return True
            return False

        smallest = minimise(case, still, seconds)
        return smallest, findings[smallest.id]

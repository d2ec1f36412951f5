"""What a failure is shown by: the smallest case that fails in the same way, in a file that replays it."""

from __future__ import annotations

from time import monotonic

from harness import casefiles
from harness.judging import Finding, Tally, fails
from harness.minimise import minimise
from harness.plan import Plan
from harness.subject import Subject
from harness.targets import Target
from specs.claims import Claim
from specs.problem import Case

REPEATS = 30
"""Times that a failure is asked for which did not come again at once."""


class Evidence:
    """Failures of one implementation, made small one after the other."""

    def __init__(self, subject: Subject, target: Target, plan: Plan, known: list[Case]) -> None:
        self.subject, self.target, self.plan = subject, target, plan
        self.smallest = known

    def of(self, claim: Claim, tally: Tally, seconds: float) -> tuple[str, str, str]:
        """Id of the minimal failing case, the sentence about it, and the command that replays it."""
        if tally.first is None:
            return "", tally.reason, self._again(claim) if tally.outcome == "violates" else ""
        case, finding = tally.first
        often = self._not_repeatable(claim, case, finding, seconds)
        if not often and finding.outcome != "timed-out":
            case, finding = self._smallest(claim, *self._known(claim, case, finding), seconds)
            self.smallest.append(case)
        message = f"{often}{finding.verdict.message} [{case}]"
        path = casefiles.write(self.plan.folder, self.target, self.subject, claim, case, message)
        return path.stem, message, f"attention-harness replay {path}"

    def _not_repeatable(self, claim: Claim, case: Case, finding: Finding, seconds: float) -> str:
        """How often a failure comes that did not come at once when it was asked for again; nothing if it did.

        What times out is not asked again.
        """
        if finding.outcome == "timed-out" or fails(self.subject, claim, case):
            return ""
        deadline, again = monotonic() + seconds, [False]
        while len(again) < REPEATS and monotonic() < deadline:
            again.append(fails(self.subject, claim, case) is not None)
        return f"not repeatable, {1 + sum(again)} of {1 + len(again)} times: "

    def _again(self, claim: Claim) -> str:
        """The command that asks for a claim about the whole run once more."""
        return f"attention-harness check {self.target.name} --property {claim.name} {self.plan.drawn}"

    def _known(self, claim: Claim, case: Case, finding: Finding) -> tuple[Case, Finding]:
        """A minimal case of an earlier failure, if this claim fails on it too: most often it is one bug."""
        for earlier in self.smallest:
            known = earlier.with_problem(dtype=case.problem.dtype)
            again = fails(self.subject, claim, known)
            if again and again.kind == finding.kind:
                return known, again
        return case, finding

    def _smallest(self, claim: Claim, case: Case, finding: Finding, seconds: float) -> tuple[Case, Finding]:
        found = {case.id: finding}

        def still(simpler: Case) -> bool:
            again = fails(self.subject, claim, simpler)
            if again and again.kind == finding.kind:
                found[simpler.id] = again
                return True
            return False

        smallest = minimise(case, still, seconds)
        return smallest, found[smallest.id]

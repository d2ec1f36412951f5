"""What a failure is shown by: the smallest case that fails in the same way, in a file that replays it."""

from __future__ import annotations

from harness import casefiles
from harness.judging import Finding, Tally, fails
from harness.minimise import minimise
from harness.plan import Plan
from harness.subject import Subject
from harness.targets import Target
from specs.claims import Claim
from specs.problem import Case


class Evidence:
    """Failures of one implementation, made small one after the other."""

    def __init__(self, subject: Subject, target: Target, plan: Plan, known: list[Case]) -> None:
        self.subject, self.target, self.plan = subject, target, plan
        self.smallest = known

    def of(self, claim: Claim, tally: Tally, seconds: float) -> tuple[str, str, str]:
        """Id of the minimal failing case, the sentence about it, and the command that replays it."""
        if tally.first is None:
            return "", tally.reason, self._again(claim) if tally.outcome == "violates" else ""
        case, finding = self._smallest(claim, *self._known(claim, *tally.first), seconds)
        self.smallest.append(case)
        message = f"{finding.verdict.message} [{case}]"
        path = casefiles.write(self.plan.folder, self.target, self.subject, claim, case, message)
        return path.stem, message, f"attention-harness replay {path}"

    def _again(self, claim: Claim) -> str:
        """The command that asks for a claim about the whole run once more."""
        return f"attention-harness check {self.target.name} --property {claim.name} {self.plan.drawn}"

    def _known(self, claim: Claim, case: Case, finding: Finding) -> tuple[Case, Finding]:
        """A minimal case of an earlier failure, if this claim fails on it too: most often it is one bug."""
        for earlier in self.smallest:
            known = earlier.with_problem(dtype=case.problem.dtype)
            again = fails(self.subject, claim, known)
            if again and again.outcome == finding.outcome:
                return known, again
        return case, finding

    def _smallest(self, claim: Claim, case: Case, finding: Finding, seconds: float) -> tuple[Case, Finding]:
        found = {case.id: finding}

        def still(simpler: Case) -> bool:
            again = fails(self.subject, claim, simpler)
            if again and again.outcome == finding.outcome:
                found[simpler.id] = again
                return True
            return False

        smallest = minimise(case, still, seconds if finding.outcome != "timed-out" else 0)
        return smallest, found[smallest.id]

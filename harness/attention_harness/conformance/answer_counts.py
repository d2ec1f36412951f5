"""The counts of answers and refusals: how much of the suite an implementation has been judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from attention_harness.conformance.judging import GATES, Finding
from attention_harness.errors import Outcome
from attention_harness.generation.domain import Domain
from attention_specs.case import Case
from attention_specs.property import Property


@dataclass
class AnswerCounts:
    """The number of cases asked and answered, and the cases that the implementation itself refused."""

    asked: int = 0
    answered: int = 0
    refused: list[tuple[Case, Sequence[Property]]] = field(default_factory=list)
    refusal_texts: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """Kind of a refusal -> the texts of all of that kind."""
    domain: Domain = field(default_factory=Domain)

    def count(self, case: Case, properties: Sequence[Property], findings: Sequence[Finding]) -> None:
        """Counts a case that was asked, if any property about an answer applies to it."""
        gates = [finding for finding in findings if finding.property_.id in GATES]
        refusals = [finding for finding in gates if finding.outcome == Outcome.UNSUPPORTED]
        self.asked += bool(gates)
        self.answered += bool(gates) and not refusals
        if refusals:
            self.refused.append((case, properties))
            self.refusal_texts.setdefault(refusals[0].kind, []).append(refusals[0].verdict.message)

    def moved(self, domain: Domain) -> list[tuple[Case, Sequence[Property]]]:
        """The refused cases, to be asked again in the domain: they count there, and no longer where they were refused."""
        refused, self.refused, self.domain = self.refused, [], domain
        self.asked -= len(refused) if domain.telling else 0
        return refused

    @property
    def mostly_refused(self) -> bool:
        """Whether more than half was refused."""
        return 2 * self.answered < self.asked

    @property
    def too_little(self) -> bool:
        """Whether the answers say nothing of the other cases: they are few, or so small that every mistake survives them."""
        return self.mostly_refused or (bool(self.domain.conditions) and not self.domain.telling)

    @property
    def sentence(self) -> str:
        """The answered cases and their domain, and the refusal of most of the others."""
        where = f" (many of them moved to {', '.join(self.domain.conditions)})" if self.domain.conditions else ""
        most = f"; refused most often: {max(self.refusal_texts.values(), key=len)[0]}" if self.refusal_texts else ""
        return f"{self.answered} of {self.asked} cases answered{where}: too little to say{most}"

"""How much of what an implementation was asked has been judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from attention_harness.conformance.judging import GATES, Finding
from attention_harness.generation.domain import Domain
from attention_specs.case import Case
from attention_specs.property import Property


@dataclass
class AnswerCounts:
    """How many of the cases were answered, and those that were not: by a refusal of the implementation's own."""

    asked: int = 0
    answered: int = 0
    refused: list[tuple[Case, Sequence[Property]]] = field(default_factory=list)
    refusal_texts: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """Kind of a refusal -> the texts of all of that kind."""
    domain: Domain = field(default_factory=Domain)

    def count(self, case: Case, properties: Sequence[Property], findings: Sequence[Finding]) -> None:
        """Counts a case that was asked; one that no property about an answer applies to says nothing."""
        gates = [finding for finding in findings if finding.property_.id in GATES]
        refusals = [finding for finding in gates if finding.outcome == "unsupported"]
        self.asked += bool(gates)
        self.answered += bool(gates) and not refusals
        if refusals:
            self.refused.append((case, properties))
            self.refusal_texts.setdefault(refusals[0].kind, []).append(refusals[0].verdict.message)

    def moved(self, domain: Domain) -> list[tuple[Case, Sequence[Property]]]:
        """The refused cases, to be asked again inside: they count there, and no longer where they were refused."""
        refused, self.refused, self.domain = self.refused, [], domain
        self.asked -= len(refused) if domain.telling else 0
        return refused

    @property
    def mostly_refused(self) -> bool:
        """Whether more than half was refused."""
        return 2 * self.answered < self.asked

    @property
    def too_little(self) -> bool:
        """Whether what was answered says nothing of the rest: few cases, or only such as every mistake survives."""
        return self.mostly_refused or (bool(self.domain.conditions) and not self.domain.telling)

    @property
    def sentence(self) -> str:
        """What was answered and where, and how most of the others were refused."""
        where = f" (many of them moved to {', '.join(self.domain.conditions)})" if self.domain.conditions else ""
        most = f"; refused most often: {max(self.refusal_texts.values(), key=len)[0]}" if self.refusal_texts else ""
        return f"{self.answered} of {self.asked} cases answered{where}: too little to say{most}"

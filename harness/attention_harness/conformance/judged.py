"""How much of what an implementation was asked has been judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from attention_harness.conformance.judging import GATES, Finding
from attention_harness.generation.domain import Domain
from attention_specs.case import Case
from attention_specs.property import Property


@dataclass
class Judged:
    """How many of the cases were answered, and those that were not: by a refusal of the implementation's own."""

    asked: int = 0
    answered: int = 0
    refused: list[tuple[Case, Sequence[Property]]] = field(default_factory=list)
    said: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """Kind of a refusal -> the texts of all of that kind."""
    inside: Domain = field(default_factory=Domain)

    def count(self, case: Case, properties: Sequence[Property], findings: Sequence[Finding]) -> None:
        """Counts a case that was asked; one that no claim about an answer applies to says nothing."""
        gates = [finding for finding in findings if finding.property_.id in GATES]
        refusals = [finding for finding in gates if finding.outcome == "unsupported"]
        self.asked += bool(gates)
        self.answered += bool(gates) and not refusals
        if refusals:
            self.refused.append((case, properties))
            self.said.setdefault(refusals[0].kind, []).append(refusals[0].verdict.message)

    def moved(self, inside: Domain) -> list[tuple[Case, Sequence[Property]]]:
        """The refused cases, to be asked again inside: they count there, and no longer where they were refused."""
        refused, self.refused, self.inside = self.refused, [], inside
        self.asked -= len(refused) if inside.telling else 0
        return refused

    @property
    def mostly_refused(self) -> bool:
        """Whether more than half was refused."""
        return 2 * self.answered < self.asked

    @property
    def too_little(self) -> bool:
        """Whether what was answered says nothing of the rest: few cases, or only such as every mistake survives."""
        return self.mostly_refused or (bool(self.inside.conditions) and not self.inside.telling)

    @property
    def sentence(self) -> str:
        """What was answered and where, and how most of the others were refused."""
        where = f" (many of them moved to {', '.join(self.inside.conditions)})" if self.inside.conditions else ""
        most = f"; refused most often: {max(self.said.values(), key=len)[0]}" if self.said else ""
        return f"{self.answered} of {self.asked} cases answered{where}: too little to say{most}"

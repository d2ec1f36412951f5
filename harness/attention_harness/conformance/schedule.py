"""Which cases an implementation is asked, and which claims are judged on each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from attention_harness.conformance.judging import GATES
from attention_harness.conformance.plan import Plan
from attention_harness.conformance.under_test import Subject
from attention_harness.errors import Trouble
from attention_harness.generation.edge_cases import CORNERS
from attention_harness.generation.vectors import Vector
from attention_specs.case import Case
from attention_specs.property import Claim, claims_of
from attention_specs.worked_example import CASES as NAMED

CASES_PER_TURN = 2
"""Claims that are cold or alternate are judged on every so many cases, in turn: the former need an expectation of their own."""

VALUES_PER_PROBLEM, PROBLEMS_PER_COLD = 5, 4
"""Where shapes are compiled: so many cases share a problem, and on every so many problems the cold claims are judged."""


class Schedule:
    """The cases of one implementation in their order."""

    def __init__(self, subject: Subject, plan: Plan) -> None:
        self.subject, self.plan = subject, plan
        self.spec = subject.description.spec
        self.claims = [c for c in claims_of(self.spec) if c.clause in GATES or plan.asks_for(c)]
        compiled = subject.description.compiles
        self.warm = [claim for claim in self.claims if not (claim.cold or (claim.compiles and compiled))]

    def agenda(self) -> Iterator[tuple[Case, list[Claim]]]:
        """What to visit: cases in the options of the implementation, with the claims to judge on them."""
        return ((self.subject.within_its_options(case), claims) for case, claims in self._asked())

    def _asked(self) -> Iterator[tuple[Case, list[Claim]]]:
        """Cases with the claims to judge on them: some take turns, and where each shape is compiled there are fewer.

        Vectors come first, each with the claims that it is for.
        """
        vectors = [vector for vector in self.plan.vectors if vector.case.problem.spec == self.spec]
        yield from ((vector.case, self._claims_on(vector)) for vector in vectors)
        cases = self.plan.cases.get(self.spec, ())
        named = [case for case in cases if case in NAMED[self.spec]]
        corners = [case for case in cases if case in CORNERS[self.spec]]
        drawn = cases[len(named) + len(corners) :]
        yield from ((case, self.claims) for case in named)
        if self.subject.description.compiles:
            yield from ((case, self.warm) for case in corners)
            yield from self._few_problems(drawn)
        else:
            yield from ((case, self._due(number, corner=True)) for number, case in enumerate(corners))
            yield from ((case, self._due(number)) for number, case in enumerate(drawn))

    def _due(self, number: int, corner: bool = False) -> list[Claim]:
        """The claims to judge on the case of that number."""
        turns = ((claim, (number + place) % CASES_PER_TURN == 0) for place, claim in enumerate(self.claims))
        return [claim for claim, turn in turns if turn or not claim.takes_turns(corner)]

    def _claims_on(self, vector: Vector) -> list[Claim]:
        """Where the implementation has no words for it, that is counted under the published answers only."""
        claims = [claim for claim in self.claims if claim.clause in GATES or claim.name in vector.properties]
        try:
            self.subject.lowered(self.subject.realise(vector.case))
        except Trouble:
            return [claim for claim in claims if claim.clause.startswith("V")]
        return claims

    def _few_problems(self, cases: Sequence[Case]) -> Iterator[tuple[Case, list[Claim]]]:
        for number, case in enumerate(cases):
            start = number - number % VALUES_PER_PROBLEM
            cold = number % (VALUES_PER_PROBLEM * PROBLEMS_PER_COLD) == 0
            yield replace(case, problem=cases[start].problem), self.claims if cold else self.warm

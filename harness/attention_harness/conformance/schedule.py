"""Which cases an implementation is asked, and which properties are judged on each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from attention_harness.conformance.judging import GATES
from attention_harness.conformance.plan import Plan
from attention_harness.conformance.under_test import UnderTest
from attention_harness.errors import CallFailed
from attention_harness.generation.edge_cases import EDGE_CASES
from attention_harness.generation.vectors import Vector
from attention_specs.case import Case
from attention_specs.property import Property, properties_of
from attention_specs.worked_example import CASES as NAMED

CASES_PER_TURN = 2
"""Properties that are cold or alternate are judged on every so many cases, in turn: the former need an expectation of their own."""

VALUES_PER_PROBLEM, PROBLEMS_PER_NEW_ORACLE = 5, 4
"""Where shapes are compiled: so many cases share a problem, and on every so many problems the cold properties are judged."""


class Schedule:
    """The cases of one implementation in their order."""

    def __init__(self, under_test: UnderTest, plan: Plan) -> None:
        self.under_test, self.plan = under_test, plan
        self.spec = under_test.description.spec
        self.properties = [c for c in properties_of(self.spec) if c.id in GATES or plan.asks_for(c)]
        compiled = under_test.description.compiles
        self.warm = [
            property_
            for property_ in self.properties
            if not (property_.needs_new_oracle or (property_.needs_recompile and compiled))
        ]

    def cases(self) -> Iterator[tuple[Case, list[Property]]]:
        """What to visit: cases in the options of the implementation, with the properties to judge on them."""
        return ((self.under_test.within_its_options(case), properties) for case, properties in self._asked())

    def _asked(self) -> Iterator[tuple[Case, list[Property]]]:
        """Cases with the properties to judge on them: some take turns, and where each shape is compiled there are fewer.

        Vectors come first, each with the properties that it is for.
        """
        vectors = [vector for vector in self.plan.vectors if vector.case.problem.spec == self.spec]
        yield from ((vector.case, self._properties_on(vector)) for vector in vectors)
        cases = self.plan.cases.get(self.spec, ())
        named = [case for case in cases if case in NAMED[self.spec]]
        edge_cases = [case for case in cases if case in EDGE_CASES[self.spec]]
        drawn = cases[len(named) + len(edge_cases) :]
        yield from ((case, self.properties) for case in named)
        if self.under_test.description.compiles:
            yield from ((case, self.warm) for case in edge_cases)
            yield from self._few_problems(drawn)
        else:
            yield from ((case, self._due(number, edge_case=True)) for number, case in enumerate(edge_cases))
            yield from ((case, self._due(number)) for number, case in enumerate(drawn))

    def _due(self, number: int, edge_case: bool = False) -> list[Property]:
        """The properties to judge on the case of that number."""
        turns = ((property_, (number + place) % CASES_PER_TURN == 0) for place, property_ in enumerate(self.properties))
        return [property_ for property_, turn in turns if turn or not property_.takes_turns(edge_case)]

    def _properties_on(self, vector: Vector) -> list[Property]:
        """Where the implementation has no words for it, that is counted under the published answers only."""
        properties = [property_ for property_ in self.properties if property_.id in GATES or property_.name in vector.properties]
        try:
            self.under_test.lowered(self.under_test.realise(vector.case))
        except CallFailed:
            return [property_ for property_ in properties if property_.id.startswith("V")]
        return properties

    def _few_problems(self, cases: Sequence[Case]) -> Iterator[tuple[Case, list[Property]]]:
        for number, case in enumerate(cases):
            start = number - number % VALUES_PER_PROBLEM
            whole = number % (VALUES_PER_PROBLEM * PROBLEMS_PER_NEW_ORACLE) == 0
            yield replace(case, problem=cases[start].problem), self.properties if whole else self.warm

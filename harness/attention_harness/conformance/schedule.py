"""The schedule of one implementation: its cases in their order, each with the properties to judge on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, count

from attention_harness.conformance import first_stage
from attention_harness.conformance.judging import GATES, PLAIN
from attention_harness.conformance.pace import Asked, smallest_first
from attention_harness.conformance.plan import Plan
from attention_harness.conformance.under_test import UnderTest
from attention_harness.errors import CallFailed
from attention_harness.generation.form_cases import FORM_CASES
from attention_harness.generation.suite import Suite, further_suite
from attention_harness.generation.vectors import Vector
from attention_specs.case import Case
from attention_specs.property import Property, properties_of

CASES_PER_TURN = 2
"""Properties that take turns are judged on every so many cases."""

VALUES_PER_PROBLEM, PROBLEMS_PER_NEW_ORACLE = 5, 4
"""Where shapes are compiled, so many cases share a problem; properties that need a new oracle are judged on every so many
problems."""


class Schedule:
    """The cases of one implementation in their order."""

    def __init__(self, under_test: UnderTest, plan: Plan) -> None:
        self.under_test, self.plan = under_test, plan
        self.spec = under_test.description.spec
        self.suite = plan.suites.get(self.spec, Suite())
        self.properties = [
            one
            for one in properties_of(self.spec)
            if one.id in GATES or (plan.asks_for(one) and one.is_about(under_test.description))
        ]
        self.compiles = under_test.description.compiles
        self.warm = [
            property_
            for property_ in self.properties
            if not (property_.needs_new_oracle or (property_.needs_recompile and self.compiles))
        ]

    def cases(self, smallest: bool = False) -> Iterator[tuple[Case, Sequence[Property]]]:
        """The cases in the options of the implementation, each with the properties to judge on it; if wanted, the smallest first."""
        if self.plan.settings.first_stage:
            return self.first()
        asked = smallest_first(self._asked()) if smallest else chain.from_iterable(self._asked())
        return ((self.under_test.within_its_options(case), properties) for case, properties in asked)

    def first(self) -> Iterator[tuple[Case, list[Property]]]:
        """The cases of the first stage in its order, each with the properties that tell, and those that are easy to understand.

        Whose turn it is depends on the properties and cases that are wanted, so that turns do not count here.
        """
        for case, properties in self._of_the_form():
            yield self.under_test.within_its_options(case), [one for one in properties if one.id in PLAIN or one.form]
        known = {name: case for name, case, _ in self._known_cases()}
        for name, telling in first_stage.cases(self.spec):
            if name in known:
                asked = [one for one in (self.warm if self.compiles else self.properties) if one.id in telling.union(PLAIN)]
                yield self.under_test.within_its_options(known[name]), asked

    def further(self) -> Iterator[Asked]:
        """Without end: the edge cases with new numbers, then new cases, larger as time goes on; for properties of single cases."""
        settings = self.plan.settings
        for number in count(1):
            suite = further_suite(number, settings.examples, settings.seed, settings.dtypes)[self.spec]
            for case, properties in chain(self._edge_cases(suite, number), self._drawn(suite)):
                yield self.under_test.within_its_options(case), [one for one in properties if not one.over_run]

    def _edge_cases(self, suite: Suite, shift: int = 0) -> Iterator[Asked]:
        """Each seed has other numbers for them."""
        numbers = self.plan.settings.seed + shift
        edge_cases = suite.edge_cases
        asked = ((case, self.warm) for case in edge_cases) if self.compiles else self._in_turns(edge_cases, edge_cases=True)
        return ((replace(case, seed=case.seed + numbers), properties) for case, properties in asked)

    def _drawn(self, suite: Suite) -> Iterator[Asked]:
        return self._few_problems(suite.drawn) if self.compiles else self._in_turns(suite.drawn)

    def _asked(self) -> Iterator[Iterator[Asked]]:
        """The kinds of cases of the suite; some properties take turns, and where each shape is compiled there are fewer."""
        yield ((vector.case, self._properties_on(vector)) for vector in self.suite.vectors)
        yield ((case, properties) for _, case, properties in self._known_cases())
        yield self._of_the_form()
        yield self._drawn(self.suite)

    def _of_the_form(self) -> Iterator[Asked]:
        """The cases for calls without padding, where it is called so."""
        return self._edge_cases(Suite(edge_cases=FORM_CASES if self.under_test.form.ragged else ()))

    def _known_cases(self) -> Iterator[tuple[str, Case, Sequence[Property]]]:
        """The worked example and the edge cases, by the ids that they have for seed 0."""
        yield from ((case.id, case, self.properties) for case in self.suite.examples)
        for known, (case, properties) in zip(self.suite.edge_cases, self._edge_cases(self.suite), strict=True):
            yield known.id, case, properties

    def _in_turns(self, cases: Iterable[Case], edge_cases: bool = False) -> Iterator[Asked]:
        """The cases, each with the properties that are due on it."""
        for number, case in enumerate(cases):
            turns = ((property_, (number + place) % CASES_PER_TURN == 0) for place, property_ in enumerate(self.properties))
            yield case, [property_ for property_, turn in turns if turn or not property_.takes_turns(edge_cases)]

    def _properties_on(self, vector: Vector) -> list[Property]:
        """The properties of the vector; those of published answers alone where the implementation lacks an option of it."""
        properties = [property_ for property_ in self.properties if property_.id in GATES or property_.name in vector.properties]
        try:
            self.under_test.lowered(self.under_test.realise(vector.case))
        except CallFailed:
            return [property_ for property_ in properties if property_.id.startswith("V")]
        return properties

    def _few_problems(self, cases: Sequence[Case]) -> Iterator[Asked]:
        for number, case in enumerate(cases):
            start = number - number % VALUES_PER_PROBLEM
            whole = number % (VALUES_PER_PROBLEM * PROBLEMS_PER_NEW_ORACLE) == 0
            yield replace(case, problem=cases[start].problem), self.properties if whole else self.warm

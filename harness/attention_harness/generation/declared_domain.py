"""The declared domain of an implementation: cases are moved into it, and calls just outside of it are asked on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod

import numpy as np

from attention_harness.generation.domain import MOST_SCORES
from attention_specs.attention.domain import AXES, FIELDS, values_of
from attention_specs.attention.inputs import Inputs
from attention_specs.attention.problem import Problem
from attention_specs.attention.recipes import DRAWN
from attention_specs.case import Case, Question
from attention_specs.contract import Description
from attention_specs.multi_head import domain as of_layers
from attention_specs.multi_head.inputs import LayerInputs
from attention_specs.multi_head.problem import LayerProblem
from attention_specs.multi_head.recipes import DRAWN as LAYER_DRAWN

PLAIN: dict[str, None] = dict.fromkeys(("mask", "bias", "query_lengths", "key_lengths", "sinks", "past"))
"""Options whose arrays have the sizes of others."""


class DeclaredDomain:
    """The domain that a description declares."""

    def __init__(self, description: Description) -> None:
        self.domain, self.implied = of_layers.declared(description.spec, description.domain), description.implied

    def moved(self, case: Case) -> Case:
        """The case inside the domain, or as it is where no problem near it lies there, or where its numbers are given."""
        if not self.domain or case.recipe not in (*DRAWN, *LAYER_DRAWN) or case.arrays:
            return case
        try:
            moved = self._moved(case.problem)
        except ValueError:
            return case
        return replace(case, problem=moved) if prod(moved.score_shape) <= MOST_SCORES else case

    def _moved(self, problem: Question) -> Question:
        """ValueError where no problem near it lies in the domain."""
        if isinstance(problem, LayerProblem):
            return of_layers.moved(problem, self.domain.moved(of_layers.values_of_problem(problem)))
        assert isinstance(problem, Problem)
        return _fitting(problem, self.domain.moved({name: getattr(problem, name) for name in FIELDS}))

    def broken(self, x: object) -> str:
        """The first condition that the inputs break, in words; "" inside the domain."""
        if not self.domain or not isinstance(x, Inputs | LayerInputs):
            return ""
        return self.domain.broken(values_of(x) if isinstance(x, Inputs) else of_layers.values_of(x))

    def outside(self, x: object) -> Iterator[tuple[str, Inputs]]:
        """Plain calls near these inputs that break one condition each, with this condition."""
        if not isinstance(x, Inputs) or not x.q.size * x.v.size:
            return
        plain = x.replace(**PLAIN, answers={})
        for text, name, value in self.domain.outside(values_of(plain)):
            if name not in self.implied and (other := _changed(plain, name, value)):
                yield text, other


def _fitting(problem: Problem, changes: dict[str, object]) -> Problem:
    """The problem with other fields, and without the options that count in sizes that change. ValueError where it is none."""
    if {"batch", "query_length", "key_length"} & changes.keys():
        changes = changes | dict.fromkeys(("query_lengths", "key_lengths", "past"))
    return problem.replace(**changes)


def _changed(x: Inputs, name: str, value: object) -> Inputs | None:
    """The inputs with another size or option; None where heads do not share key heads evenly then, or nothing is left."""
    if name not in AXES:
        return x.replace(**{name: value})
    assert isinstance(value, int)
    arrays, axis = AXES[name]
    places = np.arange(value) % getattr(x, arrays[0]).shape[axis]
    other = x.replace(**{array: np.take(getattr(x, array), places, axis) for array in arrays})
    return other if value > 0 and other.q.shape[1] % other.k.shape[1] == 0 else None

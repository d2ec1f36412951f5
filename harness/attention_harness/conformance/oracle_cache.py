"""The arrays of a case and the answers of the oracle, which all functions that are judged side by side share while it lasts."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from hashlib import blake2b
from typing import TypeVar

import numpy as np

from attention_specs.case import Case
from attention_specs.contract import Conventions
from attention_specs.spec import DifferentiableSpec, Expected, ExpectedGradient, Inputs, Spec

Question = TypeVar("Question", bound=Hashable)
Answer = TypeVar("Answer")


class CachedOracle:
    """A spec that answers the same question once. Everything else is the spec's own."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self.NAME, self.FUNCTION, self.Problem = spec.NAME, spec.FUNCTION, spec.Problem
        self.restrict, self.lower, self.call, self.beyond = spec.restrict, spec.lower, spec.call, spec.beyond
        self.forget()

    def forget(self) -> None:
        """Another case begins."""
        self._inputs: dict[str, Inputs] = {}
        self._keys: dict[int, tuple[Inputs, Hashable]] = {}
        self._expected: dict[Hashable, Expected] = {}
        self._gradients: dict[Hashable, ExpectedGradient] = {}

    def realise(self, case: Case) -> Inputs:
        """The inputs of the case: for all functions the same object."""
        return _once(self._inputs, case.id, lambda: self._spec.realise(case))

    def expect(self, x: Inputs, conventions: Conventions, precision: str | None) -> Expected:
        """As the spec's, once for each question, whoever asks it."""
        key = (self._key(x), str(conventions), precision)
        return _once(self._expected, key, lambda: self._spec.expect(x, conventions, precision))

    def expect_gradient(self, x: Inputs, dout: np.ndarray, conventions: Conventions, precision: str | None) -> ExpectedGradient:
        """As the spec's, once for each question, whoever asks it."""
        key, spec = (self._key(x), content_of(dout), str(conventions), precision), self._spec
        assert isinstance(spec, DifferentiableSpec)
        return _once(self._gradients, key, lambda: spec.expect_gradient(x, dout, conventions, precision))

    def _key(self, x: Inputs) -> Hashable:
        """The call that x makes, as something that can be looked up. Kept with x, so that no other object gets its number."""
        if id(x) not in self._keys:
            call = self._spec.call(x)
            key = tuple((name, content_of(value)) for name, value in [*call.arrays.items(), *call.options.items()])
            self._keys[id(x)] = x, key
        return self._keys[id(x)][1]


def _once(known: dict[Question, Answer], question: Question, answer: Callable[[], Answer]) -> Answer:
    if question not in known:
        known[question] = answer()
    return known[question]


def content_of(argument: object) -> Hashable:
    """The content of an argument, whatever its strides: of an array a digest, since hundreds of large ones pass while a case lasts."""
    if not isinstance(argument, np.ndarray):
        return repr(argument)
    return argument.dtype.name, argument.shape, blake2b(argument.tobytes(), digest_size=16).digest()

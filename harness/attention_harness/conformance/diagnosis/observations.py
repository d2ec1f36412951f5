"""Observations: results of one call that are beyond their bound, for readings to explain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from attention_harness.conformance.under_test import UnderTest
from attention_specs.attention.inputs import Inputs
from attention_specs.attention.spec import Expected
from attention_specs.case import Case
from attention_specs.contract import Conventions
from attention_specs.judge import error_ratios
from attention_specs.merge import spec as merge
from attention_specs.multi_head import spec as multi_head
from attention_specs.properties.gradients import output_gradient
from attention_specs.spec import DifferentiableSpec, Spec
from attention_specs.spec import Inputs as AnyInputs

EXTRAS = {"lse": "return_lse", "weights": "return_weights"}
"""Further result of a call -> the option that asks for it."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """The values of a result under a reading, and their bound. `rows`, bool in the leading axes: those in which nothing else may be."""

    values: np.ndarray
    bound: np.ndarray
    rows: np.ndarray

    def beyond(self, got: np.ndarray) -> np.ndarray:
        """Bool in the shape of the result: elements of any row that are beyond the bound."""
        if got.shape != self.values.shape:
            return np.ones(got.shape, bool)
        with np.errstate(all="ignore"):
            return ~(error_ratios(got, self.values, self.bound) <= 1)

    def within_rows(self, elements: np.ndarray) -> np.ndarray:
        """These elements, those of other rows left out."""
        rows: np.ndarray = elements & self.rows.reshape(self.rows.shape + (1,) * (elements.ndim - self.rows.ndim))
        return rows


@dataclass(frozen=True, eq=False)
class Asked:
    """A call as it was handed over: the inputs, and the declarations that say which answer is right."""

    spec: Spec
    x: AnyInputs
    conventions: Conventions
    model: str | None

    def meant_as(self, x: AnyInputs) -> Asked:
        """Another call under the same declarations; its alignments are those of the inputs."""
        if not isinstance(x, Inputs):
            return replace(self, x=x)
        alignments = {"causal_alignment": x.causal_alignment, "window_alignment": x.window_alignment}
        return replace(self, x=x, conventions=self.conventions.updated(alignments))

    @cached_property
    def expected(self) -> Expected | merge.Expected | multi_head.Expected:
        """The right answer and its bounds."""
        expected = self.spec.expect(self.x, self.conventions, self.model)
        assert isinstance(expected, Expected | merge.Expected | multi_head.Expected)
        return expected

    def predicted(self, result: str) -> Prediction:
        """The right values of this result: the output, the lse, the weights, or a gradient as `dq`."""
        with np.errstate(all="ignore"):
            if result.startswith("d"):
                return self._gradient(result.removeprefix("d"))
            expected = self.expected
            if result == "lse":
                assert not isinstance(expected, multi_head.Expected)
                return Prediction(expected.lse, expected.lse_bound, expected.lse_in_range)
            if result == "weights":
                return Prediction(expected.weights, expected.bounds.weights, ~self._weightless)
            return self._output()

    @property
    def _weightless(self) -> np.ndarray:
        expected = self.expected
        return expected.exact.attention.empty if isinstance(expected, multi_head.Expected) else expected.exact.empty

    def _output(self) -> Prediction:
        expected = self.expected
        if isinstance(expected, multi_head.Expected):
            rows = np.full(expected.exact.empty.shape, expected.empty_rows != "unspecified")
            return Prediction(expected.out, expected.bounds.out, rows | ~expected.exact.empty)
        return Prediction(expected.out, expected.out_bound, expected.specified)

    @cached_property
    def _gradients(self) -> dict[str, Prediction]:
        assert isinstance(self.spec, DifferentiableSpec) and isinstance(self.x, Inputs)
        expected = self.spec.expect_gradient(self.x, output_gradient(self.x), self.conventions, self.model)
        return {name: Prediction(a, expected.bounds[name], np.ones((), bool)) for name, a in expected.gradients.items()}

    def _gradient(self, name: str) -> Prediction:
        return self._gradients[name]


@dataclass(frozen=True, eq=False)
class Observation:
    """One wrong result of one call, and where it is beyond its bound."""

    asked: Asked
    result: str
    got: np.ndarray
    wrong: np.ndarray
    """Bool in the shape of `got`."""
    right: Prediction
    """What is right."""

    def explained(self, prediction: Prediction, rounds: bool) -> np.ndarray | None:
        """The wrong elements for which the prediction holds; None where there are none, or it fails where nothing else may be.

        The prediction must be wrong there too, unless it is one that rounds: the right values within more than their bound.
        """
        if prediction.values.shape != self.got.shape:
            return None
        beyond = prediction.beyond(self.got)
        explained: np.ndarray = self.wrong & ~beyond & (rounds | self.right.beyond(prediction.values))
        return explained if explained.any() and not prediction.within_rows(beyond).any() else None


def observe(under_test: UnderTest, case: Case) -> list[Observation]:
    """The wrong results of one call: the output, else the lse and the weights, else the gradients. Raises CallFailed."""
    under_test.forget()
    x = under_test.lowered(under_test.realise(under_test.within_its_options(case)))
    d = under_test.description
    asked = Asked(under_test.spec, x, d.conventions, d.precision.get(x.dtype))
    for results in _results(under_test, x):
        wrong = [one for name, got in results if (one := _observed(asked, name, got)).wrong.any()]
        if wrong:
            return wrong
    return []


def _observed(asked: Asked, name: str, got: np.ndarray) -> Observation:
    right = asked.predicted(name)
    return Observation(asked, name, got, right.within_rows(right.beyond(got)), right)


def _results(under_test: UnderTest, x: AnyInputs) -> Iterator[list[tuple[str, np.ndarray]]]:
    """Results by name, those of one call together."""
    options = under_test.description.options
    yield [("out", under_test(x))]
    yield [(name, under_test.extra(x, name)) for name, option in EXTRAS.items() if option in options]
    yield [("out beside", under_test.out_beside(x, name)) for name, option in EXTRAS.items() if option in options]
    if under_test.description.gradient and isinstance(x, Inputs) and 0 not in (*x.output_shape, *x.k.shape):
        yield _gradients(under_test, x)


def _gradients(under_test: UnderTest, x: Inputs) -> list[tuple[str, np.ndarray]]:
    wrt = ["q", "k", "v", *(name for name in ("bias", "sinks") if getattr(x, name) is not None)]
    answer = under_test.gradient(x, output_gradient(x), wrt)
    return [(f"d{name}", answer[name]) for name in wrt]

"""A reading is a wrong meaning of a call, worked out exactly: the answer of an implementation may be right under it.

    @reading()
    def key_heads_are_tiled(x: Inputs) -> Inputs | None:
        \"\"\"Query head h reads key head h % Hkv.\"\"\"

The function makes the call that is answered in place of the one that was asked, or None where the two are the same; the docstring
is the sentence that a reader sees. Simpler readings are registered before others: of several that fit, the first counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict, TypeVar, Unpack

import numpy as np

from attention_harness.conformance.diagnosis.observations import Asked, Observation, Prediction
from attention_specs.attention.inputs import Inputs
from attention_specs.multi_head.inputs import LayerInputs
from attention_specs.registry import Registry

Predict = Callable[[Asked, str], Prediction | None]
"""The prediction for one result of a call; None where the reading says nothing about it, or changes nothing."""

X = TypeVar("X", Inputs, LayerInputs)


@dataclass(frozen=True)
class Reading:
    """A reading by its name. `declaration` is what makes it right, where it is a convention."""

    name: str
    sentence: str
    predict: Predict
    spec: str = "attention"
    declaration: str = ""
    shows: Callable[[np.ndarray], bool] = lambda got: True
    """Whether a result looks like it at all."""
    rounds: bool = False
    """Whether it predicts the right values within more than their bound."""
    any_number: bool = True
    """Whether a wrong 0 or NaN may show it; of another call both say little: each that hides too much gives them."""

    def explained(self, seen: Observation) -> np.ndarray | None:
        """Bool in the shape of the result: wrong elements that are right under this reading; None where it does not hold."""
        if self.spec != seen.asked.spec.NAME or not self.shows(seen.got):
            return None
        prediction = self.predict(seen.asked, seen.result)
        return None if prediction is None else seen.explained(prediction, self.rounds)

    def is_telling(self, seen: Observation, explained: np.ndarray) -> bool:
        """Whether these elements tell it from readings that leave nothing of a row."""
        return self.any_number or bool((explained & (seen.got != 0) & np.isfinite(seen.got.astype(np.float64))).any())


class More(TypedDict, total=False):
    """Further fields of a reading."""

    spec: str
    declaration: str
    shows: Callable[[np.ndarray], bool]
    rounds: bool
    any_number: bool


READINGS: Registry[Reading] = Registry("reading")


def register(sentence: str, predict: Predict, name: str = "", **more: Unpack[More]) -> None:
    """Adds a reading, under its sentence if it has no other name. `more`: further fields of `Reading`."""
    READINGS.register(Reading(name or sentence, sentence, predict, **more), name or sentence)


def register_call(sentence: str, function: Callable[[X], X | None], name: str = "", **more: Unpack[More]) -> None:
    """Adds the reading that a call was taken for another one."""
    more["any_number"] = False
    register(sentence, as_another_call(function), name, **more)


def sentence_of(function: Callable[..., object]) -> str:
    """The first line of the docstring as a part of a sentence."""
    first = (function.__doc__ or "").strip().splitlines()[0].removesuffix(".")
    return first if first[1:2].isupper() else first[:1].lower() + first[1:]


def reading(declaration: str = "", spec: str = "attention") -> Callable[[Callable[[X], X | None]], Callable[[X], X | None]]:
    """Registers a function of the call that makes the call as it is read."""

    def add(function: Callable[[X], X | None]) -> Callable[[X], X | None]:
        register_call(sentence_of(function), function, function.__name__, spec=spec, declaration=declaration)
        return function

    return add


def as_another_call(function: Callable[[X], X | None]) -> Predict:
    """The right answers to another call."""

    def predict(asked: Asked, result: str) -> Prediction | None:
        if result.startswith("d"):  # the forward pass is right: what is wrong is a step of the backward pass
            return None
        other = function(asked.x)  # type: ignore[arg-type]  # of the spec of the reading
        return None if other is None else known(asked.meant_as(other), result)

    return predict


def known(asked: Asked, result: str) -> Prediction:
    """The right values of a result, without the rows that see no key in this reading: nothing says what they would be."""
    prediction = asked.predicted(result)
    if result.startswith("d"):
        return prediction
    empty = asked.expected.exact.empty
    rows = prediction.rows if empty.ndim != prediction.rows.ndim else prediction.rows & ~empty
    return Prediction(prediction.values, prediction.bound, rows)


def of_results(
    *results: str, declaration: str = ""
) -> Callable[[Callable[[Asked], Prediction | None]], Callable[[Asked], Prediction | None]]:
    """Registers a function of the call that predicts these results."""

    def add(function: Callable[[Asked], Prediction | None]) -> Callable[[Asked], Prediction | None]:
        def predict(asked: Asked, result: str) -> Prediction | None:
            return function(asked) if result.removesuffix(" beside") in results else None

        register(sentence_of(function), predict, function.__name__, declaration=declaration)
        return function

    return add

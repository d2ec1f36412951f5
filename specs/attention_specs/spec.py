"""The part of a spec that the harness needs: from problems to arrays, to a call, and to its expected answer.

Each spec is a folder, and its file `spec.py` offers every name of `Spec`. The other protocols have the names that the inputs and
answers of all specs share; the classes of a spec have more, for its own properties.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

import numpy as np

from attention_specs.case import Case, Question
from attention_specs.contract import Conventions, Description
from attention_specs.precision import Precision, Units
from attention_specs.registry import part


class Unsupported(Exception):
    """The implementation has no option for this; the text names the missing ones."""


@dataclass(frozen=True, eq=False)
class Call:
    """Positional arrays and keyword options, as the implementation receives them."""

    arrays: dict[str, np.ndarray]
    options: dict[str, object]


class Inputs(Protocol):
    """The arrays and options of one call."""

    @property
    def dtype(self) -> str:
        """Name of the dtype of the queries, and so of the output."""

    @property
    def score_shape(self) -> tuple[int, int, int, int]:
        """[batch, query heads, query length, key length]."""

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of the output."""

    @property
    def mask(self) -> np.ndarray | None:
        """Broadcastable to the score shape; False or 0 hides a key."""

    def replace(self, **changes: object) -> Self:
        """The same call with other arrays or options."""

    def under(self, conventions: Conventions) -> Self:
        """The same call, meant as declared; x itself where it is already."""

    def as_declared(self, description: Description) -> Self:
        """The call as an implementation of this description is to understand it."""

    def visible(self) -> np.ndarray:
        """Bool, of the score shape: the keys that each query may see."""

    def with_explicit_mask(self) -> Self:
        """The same question with the options that hide keys written out as `mask`, and a cache joined with the keys."""


class Bounds(Protocol):
    """Largest allowed |error| of each element of the output, the weights and the log-sum-exp; the units that make it up."""

    @property
    def u(self) -> Units:
        """The cost of each kind of rounding."""

    @property
    def out(self) -> np.ndarray:
        """Of the output."""

    @property
    def weights(self) -> np.ndarray:
        """Of the weights, of the score shape."""

    @property
    def lse(self) -> np.ndarray:
        """Of the log-sum-exp, [batch, query heads, query length]."""


class Reference(Protocol):
    """The answer of the oracle, before the declarations about empty rows."""

    @property
    def out(self) -> np.ndarray:
        """The output in the dtype of the oracle."""

    @property
    def empty(self) -> np.ndarray:
        """Bool, the output shape without its last axis: rows that see no key, of a layer those in which some head sees none."""


class Expected(Protocol):
    """The right answer under the declared conventions, and its bounds."""

    @property
    def out(self) -> np.ndarray:
        """The output in the dtype of the oracle."""

    @property
    def weights(self) -> np.ndarray:
        """Of the score shape."""

    @property
    def lse(self) -> np.ndarray:
        """[batch, query heads, query length], in the declared base."""

    @property
    def bounds(self) -> Bounds:
        """The bounds of the precision model."""

    @property
    def exact(self) -> Reference:
        """The answer of the oracle."""

    @property
    def asked(self) -> Inputs:
        """The call, meant as declared."""

    @property
    def model(self) -> str:
        """The precision model of these bounds."""

    def bounds_for(self, u: Units) -> Bounds:
        """The bounds for other costs of rounding."""


class ExpectedGradient(Protocol):
    """The right gradients and their bounds, both by the name of the argument."""

    @property
    def gradients(self) -> Mapping[str, np.ndarray]:
        """The gradients in the dtype of the oracle."""

    @property
    def bounds(self) -> Mapping[str, np.ndarray]:
        """Largest allowed |error| of each element."""

    @property
    def in_range(self) -> bool:
        """Whether every format in use holds every step of a backward pass."""


@runtime_checkable
class Spec(Protocol):
    """The names that `spec.py` of each spec offers."""

    NAME: str
    FUNCTION: str
    """The name of the function that is judged by this spec."""
    Problem: type[Question]

    def realise(self, case: Case) -> Inputs:
        """The arrays of a case, rounded to its dtype and laid out in memory as it says. Same case, same bits."""

    def restrict(self, problem: Question, options: Collection[str]) -> Question:
        """The problem without the options that an implementation with `options` can be asked in no form."""

    def lower(self, x: Inputs, options: Collection[str]) -> Inputs:
        """The same question in the options that the implementation has. Raises Unsupported."""

    def call(self, x: Inputs) -> Call:
        """The arguments of the function."""

    def beyond(self, x: Inputs, p: Precision) -> str:
        """The first step of a call that may leave the range of its format, in words; nothing if none does."""

    def expect(self, x: Inputs, conventions: Conventions, precision: str | None) -> Expected:
        """The right answer under these conventions, and the bounds of the named precision model (default: by dtype)."""


@runtime_checkable
class DifferentiableSpec(Spec, Protocol):
    """A spec that has gradients too."""

    def expect_gradient(self, x: Inputs, dout: np.ndarray, conventions: Conventions, precision: str | None) -> ExpectedGradient:
        """The right gradients for the output gradient `dout` under these conventions, in rows that see a key."""


NAMES = tuple(name for name in (*Spec.__annotations__, *vars(Spec)) if not name.startswith("_"))
"""The names that each spec offers."""


def spec_of(name: str) -> Spec:
    """The module of a spec's problems, calls and expected answers. TypeError for one that lacks a name of `Spec`."""
    module = part(name, "spec")
    if missing := [wanted for wanted in NAMES if not hasattr(module, wanted)]:
        raise TypeError(f"spec={name} without {', '.join(missing)}, but should offer every name of attention_specs.spec.Spec")
    return module

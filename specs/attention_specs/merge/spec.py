"""The merge spec as the harness sees it: from a problem to a call, and to the expected answer.

    merge(out_a, lse_a, out_b, lse_b) -> (out, lse)

out_a and out_b [B, H, Lq, Dv] are the answers of attention over two sets of keys, lse_a and lse_b [B, H, Lq] the logarithms of
their denominators in the declared base, in float32 beside 16 bits. The result is the answer over both sets, in the same dtypes.
A part without keys has lse -inf. Where both have none, the output is zeros and the lse -inf.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from attention_specs.contract import Conventions
from attention_specs.merge.bounds import MergeBounds
from attention_specs.merge.inputs import ARRAYS, MergeInputs, realise
from attention_specs.merge.oracle import MergeReference, merge
from attention_specs.merge.problem import MergeProblem
from attention_specs.merge.ranges import beyond
from attention_specs.precision import Units, named_precision
from attention_specs.spec import Call, Unsupported

__all__ = [
    "FUNCTION",
    "NAME",
    "Call",
    "Expected",
    "Problem",
    "Unsupported",
    "beyond",
    "call",
    "expect",
    "lower",
    "realise",
    "restrict",
]

NAME = "merge"
FUNCTION = "merge"
Problem = MergeProblem

MODEL = "exact"
"""The model of a merge without a declaration: a kernel keeps log-sum-exps and sums in its accumulator, and rounds once."""


@dataclass(frozen=True, eq=False)
class Expected:
    """The right answer under the declared conventions, and its bounds."""

    out: np.ndarray
    weights: np.ndarray
    lse: np.ndarray
    bounds: MergeBounds
    exact: MergeReference
    asked: MergeInputs
    empty_rows: str
    model: str
    """The precision model of these bounds."""

    @property
    def lse_bound(self) -> np.ndarray:
        """The bound of the lse in its declared base."""
        return self.bounds.lse / self.asked.unit

    @property
    def out_bound(self) -> np.ndarray:
        """The bound of the output, [B, H, Lq, Dv], 0 where both parts are empty."""
        return np.where(self.exact.empty[..., None], 0.0, self.bounds.out)

    @property
    def lse_in_range(self) -> np.ndarray:
        """Bool [B, H, Lq]: every row; a sum of two log-sum-exps is where they are."""
        return np.ones(self.lse.shape, bool)

    @property
    def specified(self) -> np.ndarray:
        """Bool [B, H, Lq]: rows whose output is declared; a mean of no keys is not."""
        return ~self.exact.empty | (self.empty_rows in ("zeros", "nan"))

    def bounds_for(self, u: Units) -> MergeBounds:
        """The bounds for other costs of rounding."""
        return MergeBounds(self.asked, self.exact, u)


def restrict(problem: MergeProblem, options: Collection[str]) -> MergeProblem:
    """The same problem: it has no options."""
    return problem


def lower(x: MergeInputs, options: Collection[str]) -> MergeInputs:
    """The same question: it has no options."""
    return x


def call(x: MergeInputs) -> Call:
    """The arguments of the function."""
    return Call({name: getattr(x, name) for name in ARRAYS}, {})


def expect(x: MergeInputs, conventions: Conventions, precision: str | None) -> Expected:
    """The right answer under these conventions, and the bounds of the named precision model (default: exact)."""
    asked, model = x.under(conventions), precision or MODEL
    exact, empty_rows = merge(asked), conventions.empty_rows_of("no_keys", x.dtype)
    limits = MergeBounds(asked, exact, Units.from_precision(named_precision(model, x.dtype)))
    out = np.where(exact.empty[..., None], np.nan if empty_rows == "nan" else 0.0, exact.out)
    return Expected(out, exact.weights, exact.lse / asked.unit, limits, exact, asked, empty_rows, model)

"""The arrays of one call of a merge, and how a case becomes them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from attention_specs.case import Case
from attention_specs.contract import Conventions, Description
from attention_specs.formats import accumulator, numpy_dtype
from attention_specs.layouts import LAYOUTS
from attention_specs.merge.problem import MergeProblem
from attention_specs.merge.recipes import RECIPES
from attention_specs.stopwatch import timed

ARRAYS = ("out_a", "lse_a", "out_b", "lse_b")
"""Positional arguments of a merge, in order."""

BASES = {"e": 1.0, "2": float(np.log(2))}
"""Base of a log-sum-exp -> its natural logarithm."""


@dataclass(frozen=True, eq=False)
class MergeInputs:
    """One call: outputs [B, H, Lq, Dv] in the dtype, and log-sum-exps [B, H, Lq] in its accumulator; -inf: a part without keys."""

    out_a: np.ndarray
    lse_a: np.ndarray
    out_b: np.ndarray
    lse_b: np.ndarray
    lse_base: str = "e"
    """As declared: the numbers stay, and mean something else."""

    def replace(self, **changes: Any) -> MergeInputs:
        """The same call with other arrays."""
        return replace(self, **changes)

    def under(self, conventions: Conventions) -> MergeInputs:
        """The same numbers, meant as declared; x itself where they are already."""
        return self if conventions.lse_base == self.lse_base else self.replace(lse_base=conventions.lse_base)

    def as_declared(self, description: Description) -> MergeInputs:
        """The call as an implementation of this description is to understand it."""
        return self.under(description.conventions)

    @property
    def unit(self) -> float:
        """The natural logarithm of the declared base."""
        return BASES[self.lse_base]

    @property
    def score_shape(self) -> tuple[int, int, int, int]:
        """[batch, heads, query length, parts]."""
        return *self.lse, 2

    @property
    def lse(self) -> tuple[int, int, int]:
        """Shape of a log-sum-exp."""
        batch, heads, length = self.lse_a.shape
        return batch, heads, length

    @property
    def output_shape(self) -> tuple[int, ...]:
        """[batch, heads, query length, value dim]."""
        return self.out_a.shape

    @property
    def dtype(self) -> str:
        """Name of the dtype of the outputs."""
        return self.out_a.dtype.name

    @property
    def mask(self) -> np.ndarray | None:
        """None."""
        return None

    def parts(self) -> tuple[np.ndarray, np.ndarray]:
        """The outputs [parts, B, H, Lq, Dv] and the log-sum-exps [parts, B, H, Lq]."""
        return np.stack([self.out_a, self.out_b]), np.stack([self.lse_a, self.lse_b])

    def with_explicit_mask(self) -> MergeInputs:
        """The same call: nothing in it hides."""
        return self

    def visible(self) -> np.ndarray:
        """Bool [B, H, Lq, parts]: the parts that have keys."""
        return np.stack([self.lse_a, self.lse_b], -1) != -np.inf


@timed("inputs")
def realise(case: Case) -> MergeInputs:
    """The arrays of a case, rounded to its dtype and laid out in memory as it says. Same case, same bits."""
    p = case.problem
    assert isinstance(p, MergeProblem)
    rng = np.random.default_rng(case.seed)
    kinds = {"out": numpy_dtype(p.dtype), "lse": numpy_dtype(accumulator(p.dtype))}
    arrays = {name: array.astype(kinds[name[:3]]) for name, array in RECIPES[case.recipe](rng, p).items()}
    laid_out = {name: LAYOUTS[case.layouts.get(name, "contiguous")](array) for name, array in arrays.items()}
    return MergeInputs(laid_out["out_a"], laid_out["lse_a"], laid_out["out_b"], laid_out["lse_b"])

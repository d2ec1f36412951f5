"""The definition of merging, in float64 or better: the mean of the parts, each weighed by exp(its log-sum-exp).

No implementation may import it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attention_specs.attention.oracle import softmax
from attention_specs.formats import oracle_dtype
from attention_specs.merge.inputs import MergeInputs
from attention_specs.stopwatch import timed


@dataclass(frozen=True, eq=False)
class MergeReference:
    """The right answer and the steps that the error bound needs."""

    out: np.ndarray
    """[B, H, Lq, Dv]; zeros where both parts are empty."""
    weights: np.ndarray
    """[B, H, Lq, parts], the share of each part."""
    lse: np.ndarray
    """[B, H, Lq], natural; -inf where both parts are empty."""
    scores: np.ndarray
    """[B, H, Lq, parts], the natural log-sum-exps of the parts."""
    values: np.ndarray
    """[B, H, Lq, parts, Dv], the outputs of the parts; zeros where a part is empty."""
    empty: np.ndarray
    """Bool [B, H, Lq]: rows without keys in either part."""


@timed("oracle")
def merge(x: MergeInputs) -> MergeReference:
    """The exact answer to one call."""
    outs, lses = (np.moveaxis(a.astype(oracle_dtype(x.dtype)), 0, 3) for a in x.parts())
    scores = lses * _unit(x, lses.dtype)
    weights, _, lse = softmax(scores, np.array(-np.inf, scores.dtype))
    values = np.where((scores == -np.inf)[..., None], 0, outs)
    out = (weights[..., None] * values).sum(3)
    return MergeReference(out, weights, lse, scores, values, np.isneginf(lse))


def _unit(x: MergeInputs, dtype: np.dtype) -> np.ndarray:
    """The natural logarithm of the declared base, in the dtype of the oracle."""
    return np.log(np.array(2, dtype)) if x.lse_base == "2" else np.array(1, dtype)

"""Properties by published answers: the vectors of ONNX's operator Attention."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from attention_specs.attention.bounds import AttentionBounds, Inherited, score_sizes
from attention_specs.attention.inputs import Inputs
from attention_specs.attention.oracle import Reference
from attention_specs.judge import VACUOUS, Verdict, within
from attention_specs.precision import Precision, Units
from attention_specs.property import Attend, property_


@property_("V1", needs=lambda x: "out" in x.answers)
def onnx_vectors(attend: Attend, x: Inputs) -> Verdict:
    """The output is what ONNX publishes for its operator Attention, within both bounds (C01, C04: onnx-ref-causal-past)."""
    return _as_published(attend, x, "out", attend)


@property_("V2", needs_new_oracle=True, options=("return_weights",), needs=lambda x: "weights" in x.answers)
def onnx_weights(attend: Attend, x: Inputs) -> Verdict:
    """The returned weights are those that ONNX publishes, within both bounds (C38)."""
    return _as_published(attend, x, "weights", lambda asked: attend.extra(asked, "weights"))


def _as_published(attend: Attend, x: Inputs, name: str, answer: Callable[[Inputs], np.ndarray]) -> Verdict:
    """The answer by that name against the published one; vacuous where the oracle does not agree with that itself."""
    asked = _in_words_of_one_meaning(x)
    expected = attend.expected(asked)
    generator = generated_within(asked, expected.exact)
    exact, own, theirs = (getattr(of, name) for of in (expected.exact, expected.bounds, generator))
    if not within(exact, x.answers[name], theirs).holds:
        return VACUOUS
    return within(answer(asked), x.answers[name], own + theirs, name, _rows(attend, expected.exact))


def _in_words_of_one_meaning(x: Inputs) -> Inputs:
    """The published question counts from the first key; where the rules mean something else, it is asked as a mask."""
    meant = x.replace(causal_alignment="top-left", window_alignment="top-left")
    return x if meant.rules() == x.rules() else meant.with_explicit_mask()


def _rows(attend: Attend, exact: Reference) -> np.ndarray:
    """All rows, or those that see a key where another answer than ONNX's zeros is declared for empty ones."""
    return np.logical_or(bool(attend.declared("zeros_in_empty_rows")), ~exact.empty)


def generated_within(x: Inputs, exact: Reference) -> AttentionBounds:
    """How far published answers may be from the exact ones: every step is stored in the dtype of the query, sums included.

    Beyond that, queries and keys are each multiplied by the root of the scale, which is rounded itself: two roundings of
    each. Steps that some cases take in a wider format keep to the same bound.
    """
    u = Units.from_precision(Precision(*[x.dtype] * 6))
    inherited = Inherited(np.expm1(4 * u.a) * score_sizes(x), np.zeros(exact.values.shape))
    return AttentionBounds(x, exact, u, inherited)

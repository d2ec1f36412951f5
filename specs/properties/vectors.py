"""Claims about answers that somebody else published: the vectors of ONNX's operator Attention."""

from __future__ import annotations

import numpy as np

from specs.claims import Attend, claim
from specs.inputs import Inputs
from specs.judge import VACUOUS, Verdict, within
from specs.oracle import Reference, default_scale
from specs.precision import ROUNDOFF, Bounds, Inherited, Precision, bounds


@claim("V1", needs=lambda x: "out" in x.answers)
def onnx_vectors(attend: Attend, x: Inputs) -> Verdict:
    """The output is what ONNX publishes for its operator Attention, within both bounds (C01, C04: onnx-ref-causal-past)."""
    asked = _in_words_of_one_meaning(attend, x)
    expected = attend.expected(asked)
    generator = generated_within(asked, expected.exact)
    if not within(expected.exact.out, x.answers["out"], generator.out).holds:
        return VACUOUS
    bound = expected.bounds.out + generator.out
    return within(attend(asked), x.answers["out"], bound, "out", _rows(attend, expected.exact))


@claim("V2", cold=True, options=("return_weights",), needs=lambda x: "weights" in x.answers)
def onnx_weights(attend: Attend, x: Inputs) -> Verdict:
    """The returned weights are those that ONNX publishes, within both bounds (C38)."""
    asked = _in_words_of_one_meaning(attend, x)
    expected = attend.expected(asked)
    generator = generated_within(asked, expected.exact)
    if not within(expected.exact.weights, x.answers["weights"], generator.weights).holds:
        return VACUOUS
    bound = expected.bounds.weights + generator.weights
    return within(attend.extra(asked, "weights"), x.answers["weights"], bound, "weights", _rows(attend, expected.exact))


def _in_words_of_one_meaning(attend: Attend, x: Inputs) -> Inputs:
    """The published question counts from the first key; where `is_causal` means something else, it is asked as a mask."""
    return x if attend.declared("causal_alignment") == "top-left" else x.with_explicit_mask()


def _rows(attend: Attend, exact: Reference) -> np.ndarray:
    """ONNX has zeros in rows that see no key; who declares something else is judged on the others."""
    return np.logical_or(attend.declared("empty_rows") == "zeros", ~exact.empty)


def generated_within(x: Inputs, exact: Reference) -> Bounds:
    """How far published answers may be from the exact ones: every step is stored in the dtype of the query, sums included.

    Beyond that, queries and keys are each multiplied by the root of the scale, which is rounded itself: two roundings of
    each. Steps that some cases take in a wider format keep to the same bound.
    """
    q, k = (np.abs(a.astype(np.float64)) for a in (x.q, np.repeat(x.k, x.group, axis=1)))
    sizes = abs(float(default_scale(x))) * (q @ np.where(np.isfinite(k), k, 0).swapaxes(-1, -2))
    inherited = Inherited(4 * ROUNDOFF[x.dtype] * sizes, np.zeros(exact.values.shape))
    return bounds(x, exact, Precision(*[x.dtype] * 5), inherited)

"""Relations between answers leave room for the roundings of a declared precision, and no more."""

import re

import numpy as np

from attention_harness.conformance.judging import fails
from attention_implementations.numpy import tensor_core as numpy_tensor_core
from attention_specs import masks
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.judge import numbers
from attention_specs.property import PROPERTIES


def test_doubling_allows_for_what_underflows_in_the_format_that_is_declared(subject_of):
    """A sink leaves weights near 1e-40, which float64 holds with all its digits and float32 without."""
    case = Case(Problem(2, 2, 1, 5, 4, 8, 8, "float64", sinks=92.0))
    assert numpy_tensor_core.attention.precision["float64"] == "computed-in-float32"
    under_test = subject_of(numpy_tensor_core.attention)
    assert fails(under_test, PROPERTIES["doubling_the_values_doubles_the_output"], case) is None


def reversed_where_strided(q, k, v):
    """Reads the channels of a key backwards, unless it is contiguous."""
    k = k if k.flags.c_contiguous else k[..., ::-1]
    scores = q / np.sqrt(max(q.shape[-1], 1)) @ k.swapaxes(-1, -2)
    powers = np.exp(scores - scores.max(-1, keepdims=True, initial=-np.inf))
    return (powers / powers.sum(-1, keepdims=True) @ v).astype(q.dtype)


def test_a_wrong_answer_is_never_what_should_be(subject_of):
    """The strided question is answered wrongly, and its contiguous copy rightly: the former is named, beside the right answer."""
    under_test = subject_of(reversed_where_strided)
    case = Case(Problem(1, 2, 2, 3, 4, 8, 8, "float64"), layouts={"k": "heads_last"})
    finding = fails(under_test, PROPERTIES["memory_layout_does_not_matter"], case)
    assert finding is not None
    where, wanted = finding.verdict.where, under_test.expected(under_test.spec.realise(case)).out
    match = re.fullmatch(
        r"out\[\d,\d,\d,\d\]=(\S+), but should be (\S+) \+- \S+ \(out, inputs contiguous is right\)", finding.verdict.message
    )
    assert match is not None, finding.verdict.message
    assert match[2] == numbers(float(match[1]), wanted[where])[1]


def a_half_where_nothing_is_seen_in_more_keys(q, k, v, *, mask=None):
    """Zeros in empty rows, but a small number there when all keys are doubled."""
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    scores = scores if mask is None else np.where(mask, scores, -np.inf)
    top = scores.max(-1, keepdims=True)
    powers = np.exp(scores - np.where(np.isneginf(top), 0, top))
    total = powers.sum(-1, keepdims=True)
    out = powers / np.where(total == 0, 1, total) @ v
    return np.where(np.isneginf(top), 0.5 * (k.shape[2] > 4), out).astype(q.dtype)


def test_a_row_that_sees_no_key_is_called_so(subject_of):
    under_test = subject_of(a_half_where_nothing_is_seen_in_more_keys)
    case = Case(Problem(1, 1, 1, 3, 4, 8, 8, "float64", mask=masks.opposite(masks.everything())))
    finding = fails(under_test, PROPERTIES["doubling_every_key_changes_nothing"], case)
    assert finding is not None
    assert "=0.5, but should be 0 exactly (row sees no key; out is right)" in finding.verdict.message

"""The picture that is kept with a failing case shows the error."""

import numpy as np

from attention_harness.conformance.failures.reproducers import _picture
from attention_specs.attention.problem import Problem
from attention_specs.case import Case


def tiled(q, k, v):
    """Wrong in the second query head alone, of four on two key heads."""
    k, v = (np.tile(a, (1, q.shape[1] // k.shape[1], 1, 1)) for a in (k, v))
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True) @ v


def test_the_picture_is_of_the_head_that_is_wrong(subject_of):
    under_test = subject_of(tiled)
    case = Case(Problem(query_heads=4, key_heads=2, query_length=3, key_length=5, dtype="float64"))
    picture = _picture(under_test, under_test.spec.realise(case))
    assert np.shape(picture["mask"]) == (3, 5)
    assert np.max(picture["error"]) > 1

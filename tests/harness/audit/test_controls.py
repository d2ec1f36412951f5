"""The right attention under the faults: the same answers, kept and handed out as copies."""

import numpy as np
import pytest

from attention_harness.audit.faults._remembered import KEPT, remembered
from attention_implementations.numpy import eager as numpy_eager

Q, K, V = (np.random.default_rng(seed).standard_normal((1, 2, 5, 4)) for seed in range(3))


def counting_attention():
    calls = []

    def attention(*arrays, **options):
        calls.append(options)
        return numpy_eager.attention(*arrays, **options)

    return remembered(attention), calls


def test_what_was_asked_is_not_computed_again_and_answers_are_nobody_elses():
    attention, calls = counting_attention()
    first = attention(Q, K, V)
    first[...] = 0
    assert np.array_equal(attention(Q.copy(), K, V), numpy_eager.attention(Q, K, V)) and len(calls) <= 2
    _, lse = attention(Q, K, V, return_lse=True)
    assert np.array_equal(lse, numpy_eager.attention(Q, K, V, return_lse=True)[1])


@pytest.mark.parametrize(
    "other", [{"is_causal": True}, {"scale": 0.1}, {"mask": np.tri(5, dtype=bool)[None, None]}, {"bias": np.ones((1, 1, 5, 5))}]
)
def test_other_questions_are_other_questions(other):
    attention, calls = counting_attention()
    attention(Q, K, V)
    assert np.array_equal(attention(Q, K, V, **other), numpy_eager.attention(Q, K, V, **other)) and len(calls) == 2


def test_another_layout_and_another_value_are_computed_anew():
    attention, calls = counting_attention()
    attention(Q, K, V)
    attention(Q, np.asfortranarray(K), V)
    attention(Q, K, np.where(V[0, 0, 0, 0] == V, -V, V))
    assert len(calls) == 3


def test_only_the_last_answers_are_kept():
    attention, calls = counting_attention()
    for number in range(KEPT + 2):
        attention(Q, K, V, scale=float(number))
    attention(Q, K, V, scale=0.0)
    assert len(calls) == KEPT + 3

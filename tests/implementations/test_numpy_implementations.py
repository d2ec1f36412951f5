"""The two NumPy implementations against the oracle, against each other, and the memory of the tiled one."""

import tracemalloc
from functools import partial
from time import process_time

import numpy as np
import pytest

from attention_implementations.numpy import eager as numpy_eager
from attention_implementations.numpy import online as numpy_online
from attention_specs import biases, masks
from attention_specs.attention.inputs import Inputs, realise
from attention_specs.attention.problem import Problem
from attention_specs.attention.spec import call, expect
from attention_specs.case import Case
from attention_specs.contract import Conventions
from attention_specs.judge import within

CASES = {
    "plain": Problem(2, 4, 2, 17, 33, 8, 5),
    "causal": Problem(1, 2, 2, 65, 65, 8, 8, is_causal=True),
    "window": Problem(1, 2, 1, 33, 65, 3, 3, window=(7, 0)),
    "mask and bias": Problem(
        2, 3, 1, 9, 16, 8, 8, mask=masks.random(1, 0.3, "bij"), bias=biases.minus_infinity(masks.documents(5))
    ),
    "lengths": Problem(2, 2, 1, 9, 16, 8, 8, query_lengths=(9, 4), key_lengths=(0, 13)),
    "softcap and sinks": Problem(1, 4, 2, 7, 17, 8, 8, softcap=5.0, sinks=1.0, scale=-2.0),
    "no keys": Problem(1, 2, 1, 3, 0, 8, 8),
    "no dims": Problem(1, 2, 1, 3, 4, 0, 2),
    "no queries": Problem(1, 2, 1, 0, 4, 8, 2),
    "no heads": Problem(1, 0, 0, 2, 4, 8, 2),
}


def ask(attention, x: Inputs, **extras):
    asked = call(x)
    return attention(**asked.arrays, **asked.options, **extras)


def expected(x: Inputs):
    return expect(x, Conventions(), "exact")


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
@pytest.mark.parametrize("problem", CASES.values(), ids=CASES)
def test_eager_is_within_the_bound_in_all_it_returns(problem, dtype):
    x = realise(Case(problem).with_problem(dtype=dtype))
    right = expected(x)
    for name, got in zip(
        ("out", "weights", "lse"), ask(numpy_eager.attention, x, return_weights=True, return_lse=True), strict=True
    ):
        verdict = within(got, getattr(right, name), getattr(right.bounds, name), name)
        assert verdict.holds, verdict.message


@pytest.mark.parametrize("block", [1, 3, 16, 64])
@pytest.mark.parametrize("problem", CASES.values(), ids=CASES)
def test_tiles_of_any_size_give_what_eager_gives(problem, block):
    x = realise(Case(problem, "rising"))
    limits = expected(x).bounds
    tiled = ask(numpy_online.online(block, block), x, return_lse=True)
    for name, got, wanted in zip(("out", "lse"), tiled, ask(numpy_eager.attention, x, return_lse=True), strict=True):
        verdict = within(got, wanted, 2 * getattr(limits, name), name)
        assert verdict.holds, verdict.message


@pytest.mark.parametrize("attention", [numpy_eager.attention, numpy_online.attention])
def test_nan_in_keys_and_values_that_nobody_sees_stays_there(attention):
    x = realise(Case(Problem(2, 2, 1, 5, 9, 8, 8, key_lengths=(3, 7))))
    hidden = np.arange(9)[:, None] >= x.key_lengths[:, None, None, None]
    garbage = x.replace(k=np.where(hidden, np.nan, x.k).astype(x.k.dtype), v=np.where(hidden, np.nan, x.v).astype(x.v.dtype))
    assert np.array_equal(ask(attention, garbage), ask(attention, x))


def peak(length: int) -> int:
    x = realise(Case(Problem(query_length=length, key_length=length, head_dim=4, value_dim=4, is_causal=True)))
    return traced(lambda: ask(numpy_online.online(16, 16), x))


def test_memory_is_linear_in_the_lengths():
    """Twice the length takes at most twice the memory; one array of all scores would alone take four times its part."""
    short, long, whole = peak(256), peak(512), 512 * 512 * 4
    assert long <= 2 * short
    assert long < whole


def test_tiles_are_as_fast_as_all_scores_at_once_in_a_tenth_of_the_memory():
    """CPU time, the two in turn, the median of the ratios: at 2048 positions at least as fast, at 512 nearly so."""
    for length, heads, least in ((2048, 1, 1.0), (512, 4, 0.9)):
        q = np.random.default_rng(0).standard_normal((1, heads, length, 64), np.float32)
        eager, online = (partial(f, q, q, q) for f in (numpy_eager.attention, numpy_online.attention))
        online()
        assert np.median([seconds(eager) / seconds(online) for _ in range(9)]) >= least
        assert 10 * traced(online) <= traced(eager)


def seconds(step):
    start = process_time()
    step()
    return process_time() - start


def traced(step):
    tracemalloc.start()
    try:
        step()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("attention", [numpy_eager.attention, numpy_online.online(3, 4)])
def test_a_cache_is_what_came_before(attention):
    x = realise(Case(Problem(2, 4, 2, 5, 12, 8, 3, is_causal=True, past=7)))
    verdict = within(ask(attention, x), expected(x).out, expected(x).bounds.out)
    assert verdict.holds, verdict.message


def test_the_worked_example_of_an_introduction_to_attention():
    """she likes coffee: projections of three embeddings, and the first row of the output as printed there."""
    words = np.array([[0.2, 0.9, 0.1, 0.5], [0.8, 0.3, 0.7, 0.2], [0.4, 0.6, 0.3, 0.9]])
    w_q = w_k = 0.8 * np.eye(4) + 0.1
    w_v = np.full((4, 4), 0.1)
    w_v[[0, 1, 2, 3], [0, 1, 2, 3]] = 0.8, 0.8, 0.8, 0.9
    w_v[[0, 1, 1, 2], [1, 0, 2, 1]] = 0.2
    x = Inputs(*((words @ w)[None, None] for w in (w_q, w_k, w_v)))
    printed = np.array([0.5753029414667397, 0.7052738074933219, 0.5053029414667397, 0.6417754637358185])
    for attention in (numpy_eager.attention, numpy_online.attention):
        verdict = within(ask(attention, x)[0, 0, 0], printed, expected(x).bounds.out[0, 0, 0] + np.spacing(printed))
        assert verdict.holds, verdict.message

"""The error bound: right kernels stay inside it, numerical faults do not."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from attention_specs import masks
from attention_specs.attention.bounds import AttentionBounds
from attention_specs.attention.inputs import Inputs, realise
from attention_specs.attention.oracle import attention
from attention_specs.attention.problem import Problem
from attention_specs.attention.transform import take_keys
from attention_specs.case import Case
from attention_specs.formats import numpy_dtype
from attention_specs.judge import error_ratios
from attention_specs.precision import Units, default_model, named_precision, unit

SIXTEEN_BITS = ("bfloat16", "float16")


def same(a):
    return a


def kernel(x, block=None, work=None, inputs=same, scale=same, scores=same, exp=np.exp, weights=same, total=same):
    """Attention in blocks of keys with a running maximum; each argument from `inputs` on is a rounding, or a fault, of one step."""
    x = x.with_explicit_mask()
    work = np.dtype(work or ("float64" if x.dtype == "float64" else "float32"))
    q, k, v = (inputs(a.astype(work)) for a in (x.q, np.repeat(x.k, x.group, 1), np.repeat(x.v, x.group, 1)))
    factor = scale(work.type(x.scale if x.scale is not None else max(q.shape[-1], 1) ** -0.5))
    sink = np.full(x.q.shape[1], -np.inf) if x.sinks is None else x.sinks
    top = np.broadcast_to(sink.astype(work)[:, None], q.shape[:3])
    sums, weighted = np.where(np.isneginf(top), 0, 1).astype(work), np.zeros(x.output_shape, work)
    for start in range(0, k.shape[2], block or max(k.shape[2], 1)):
        keys = slice(start, start + (block or k.shape[2]))
        s = factor * (q @ k[:, :, keys].swapaxes(-1, -2))
        s = s if x.softcap is None else work.type(x.softcap) * np.tanh(s / work.type(x.softcap))
        s = s if x.bias is None else s + np.broadcast_to(x.bias, x.score_shape)[..., keys].astype(work)
        s = scores(s if x.mask is None else np.where(np.broadcast_to(x.mask, x.score_shape)[..., keys], s, -np.inf))
        new = np.maximum(top, s.max(-1))
        shift = np.where(np.isneginf(new), 0, new)
        powers, decay = exp(s - shift[..., None]), np.exp(top - shift)
        sums = decay * sums + powers.sum(-1)
        weighted = decay[..., None] * weighted + weights(powers) @ v[:, :, keys]
        top = new
    sums = total(sums)
    return (weighted / np.where(sums == 0, 1, sums)[..., None]).astype(x.q.dtype)


def backwards(x, **steps):
    return kernel(take_keys(x, np.arange(x.k.shape[2])[::-1]), **steps)


def halves(x, **steps):
    return kernel(x, block=max(1, -(-x.k.shape[2] // 2)), **steps)


KERNELS = {"at once": kernel, "in blocks": partial(kernel, block=16), "in two halves": halves, "from the last key": backwards}


def through(dtype):
    """Rounds to a dtype and back."""
    return lambda a: a.astype(numpy_dtype(dtype)).astype(a.dtype)


def bounds(x, exact, model):
    return AttentionBounds(x, exact, Units.from_precision(named_precision(model, x.dtype)))


def worst(x, out, model):
    exact = attention(x)
    return float(error_ratios(out, exact.out, bounds(x, exact, model).out).max(initial=0))


@pytest.fixture(scope="module")
def questions(affordable):
    """dtype -> calls of that dtype."""
    by_dtype: dict[str, list[Inputs]] = {}
    for case in affordable:
        by_dtype.setdefault(case.problem.dtype, []).append(realise(case))
    return by_dtype


@pytest.mark.parametrize("dtype", ["float32", "float64", *SIXTEEN_BITS])
@pytest.mark.parametrize("name", KERNELS)
def test_right_kernels_are_inside_the_tightest_bound(questions, name, dtype):
    with np.errstate(all="ignore"):
        assert max(worst(x, KERNELS[name](x), "exact") for x in questions[dtype]) <= 1


@pytest.mark.parametrize("dtype", SIXTEEN_BITS)
@pytest.mark.parametrize("name", KERNELS)
def test_kernels_that_store_weights_or_scores_in_sixteen_bits_are_inside_the_bound_of_that(questions, name, dtype):
    rounded = through(dtype)
    with np.errstate(all="ignore"):
        for x in questions[dtype]:
            assert worst(x, KERNELS[name](x, weights=rounded), "weights-rounded") <= 1
            if dtype == "bfloat16" or np.abs(attention(x).scaled).max(initial=0) < np.finfo(np.float16).max:
                assert worst(x, KERNELS[name](x, scores=rounded, weights=rounded), "scores-rounded") <= 1


@pytest.mark.parametrize("dtype", SIXTEEN_BITS)
def test_models_distinguish_the_three_designs(random_questions, dtype):
    cases, rounded = random_questions(dtype), through(dtype)
    assert max(worst(x, kernel(x, weights=rounded), "exact") for x in cases) > 1
    assert max(worst(x, kernel(x, scores=rounded), "weights-rounded") for x in cases) > 1


def tf32(a):
    """The float32 numbers with the last 13 bits of the significand rounded off."""
    patterns = a.astype(np.float32).view(np.uint32)
    return ((patterns + 0x1000) & 0xFFFFE000).view(np.float32)


def off_by_parts_in_ten_thousand(s):
    return np.exp(s) * (1 + s.dtype.type(1e-4) * np.sin(37 * np.where(np.isneginf(s), 0, s)))


FAULTS = {
    "inputs rounded to TF32": ({"inputs": tf32}, ["float32"]),
    "weights rounded to bfloat16": ({"weights": through("bfloat16")}, ["float32"]),
    "exp wrong by 1e-4": ({"exp": off_by_parts_in_ten_thousand}, ["float32", "float64", "float16"]),
    "denominator off by 1e-5": ({"total": lambda t: t * t.dtype.type(1 + 1e-5)}, ["float32", "float64"]),
    "scale rounded to half precision": ({"scale": lambda s: type(s)(np.float16(s))}, ["float32", "float64", "float16"]),
    "small weights flushed": ({"weights": lambda w: np.where(1e4 * w < 1, 0, w)}, ["float32", "float64", "float16"]),
    "computed in float32": ({"work": "float32"}, ["float64"]),
}
DIAGNOSES = [(name, dtype) for name, (_, dtypes) in FAULTS.items() for dtype in dtypes]


@pytest.fixture(scope="module")
def random_questions():
    """Inputs of many magnitudes over small shapes, as the faults were measured on."""

    def questions(dtype):
        shapes = [(1, 1), (5, 7), (16, 33), (8, 128)]
        return [
            realise(Case(Problem(1, 2, 1, nq, nk, 64, 8, dtype), recipe, seed))
            for seed, (nq, nk) in enumerate(shapes)
            for recipe in ("normal", "steep", "falling", "positive_values")
        ]

    return questions


@pytest.mark.parametrize(("name", "dtype"), DIAGNOSES)
def test_numerical_faults_are_outside(random_questions, name, dtype):
    steps, _ = FAULTS[name]
    cases = random_questions(dtype)
    if "scale" in steps:  # 1/sqrt(64) is the same in half precision
        cases = [x.replace(scale=0.3) for x in cases]
    assert max(worst(x, kernel(x), "exact") for x in cases) <= 1
    assert max(worst(x, kernel(x, **steps), "exact") for x in cases) > 1


def test_reading_tf32_is_inside_the_bound_of_that(random_questions):
    assert max(worst(x, kernel(x, inputs=tf32), "tf32-inputs") for x in random_questions("float32")) <= 1


def test_computing_in_float32_is_inside_the_bound_of_that(random_questions):
    assert max(worst(x, kernel(x, work="float32"), "computed-in-float32") for x in random_questions("float64")) <= 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_there_is_little_room(random_questions, dtype):
    """A bound a thousand times too wide would pass everything else here."""
    assert max(worst(x, kernel(x), "exact") for x in random_questions(dtype)) > 0.02


def test_constant_values_leave_no_room_for_score_errors():
    x = realise(Case(Problem(1, 1, 1, 4, 20, 64, 3), "same_values"))
    exact = attention(x)
    loose = bounds(x, exact, "tf32-inputs")
    tight = bounds(x, exact, "exact")
    reading = 2 * unit("tf32")  # both operands of the second product
    allowed = np.exp(reading) * (
        tight.out + np.expm1(reading) * np.exp(tight.numerator + tight.denominator)[..., None] * np.abs(exact.out)
    )
    assert np.all(loose.out <= allowed)


def test_masked_keys_do_not_widen_the_bound():
    x = realise(Case(Problem(1, 1, 1, 4, 20, 8, 3, mask=masks.hidden_key(7))))
    louder = x.replace(
        k=np.where(np.arange(20)[:, None] == 7, 1e6, x.k).astype(np.float32),
        v=np.where(np.arange(20)[:, None] == 7, 1e6, x.v).astype(np.float32),
    )
    plain, loud = (bounds(a, attention(a), "exact").out for a in (x, louder))
    assert np.array_equal(plain, loud)


def test_scores_that_cancel_may_be_off_by_their_parts():
    """Products of 900 that sum to about 0: the output shows their roundings alone."""
    signs = np.tile([30, -30], 32).astype(np.float32)
    noise = [0.1 * np.random.default_rng(seed).standard_normal((1, 1, 8, 64)) for seed in (0, 1, 2)]
    x = Inputs((signs + noise[0]).astype(np.float32), (30 + noise[1]).astype(np.float32), noise[2].astype(np.float32))
    assert max(worst(x, calculate(x), "exact") for calculate in KERNELS.values()) <= 1
    assert worst(x, kernel(x, scores=lambda s: s + s.dtype.type(0.1) * np.cos(np.arange(8))), "exact") > 1


def test_bounds_are_finite_and_not_negative(questions):
    for x in (x for calls in questions.values() for x in calls):
        exact = attention(x)
        limits = bounds(x, exact, default_model(x.dtype))
        for limit in (limits.out, limits.weights, limits.lse):
            assert np.all(limit >= 0)
        # where all that a row sees stands at the lowest number, parts that are merged by their lse may be off by any factor
        usual = np.abs(np.where(np.isfinite(exact.lse), exact.lse, 0)) < np.finfo(np.float32).max / 2
        assert np.all(np.isfinite(limits.out[usual]))

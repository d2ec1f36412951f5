"""Storage in eight bits: which numbers are kept, their codes and scales, the memory they lie in, and what a call hands over."""

import re

import ml_dtypes
import numpy as np
import pytest

from attention_specs.attention.bounds import AttentionBounds
from attention_specs.attention.inputs import Inputs, realise
from attention_specs.attention.oracle import attention
from attention_specs.attention.problem import Problem
from attention_specs.attention.spec import beyond, call, expect
from attention_specs.attention.storage import SCALES, Storage
from attention_specs.attention.transform import mixed, take_keys
from attention_specs.case import Case
from attention_specs.contract import Conventions
from attention_specs.formats import DTYPES, STORED, largest, numpy_dtype
from attention_specs.judge import error_ratios, within
from attention_specs.layouts import LAYOUTS
from attention_specs.precision import Units, named_precision

PROBLEM = Problem(2, 4, 2, 5, 19, 8, 6)


def stored(format="float8_e4m3fn", scales="head", arrays="kv", dtype="float32", recipe="normal", **layouts):
    case = Case(PROBLEM.replace(dtype=dtype), recipe, 1, layouts)
    return realise(case).stored_as(Storage(format, arrays, scales))


def read_again(x, name):
    """The numbers that codes and scales stand for, by the shapes that attention.md states."""
    handed = call(x)
    codes, scale = handed.arrays[name].astype(np.float64), handed.options[f"{name}_scale"].astype(np.float64)
    of_tokens = {
        "tensor": lambda: scale.reshape(()),
        "head": lambda: scale[None, :, None, None],
        "token": lambda: scale[..., None],
        "block": lambda: scale[:, :, np.arange(codes.shape[2]) // 16, None],
    }
    return codes * of_tokens[x.storage.scales]()


@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("format", STORED)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("recipe", ["normal", "huge_scores", "tiny", "heavy_tails"])
def test_codes_and_scales_stand_for_exactly_the_numbers(scales, format, dtype, recipe):
    x = stored(format, scales, "qkv", dtype, recipe)
    handed = call(x)
    for name in "qkv":
        assert handed.arrays[name].dtype == numpy_dtype(format) and handed.options[f"{name}_scale"].dtype == np.float32
        assert np.array_equal(read_again(x, name), getattr(x, name).astype(np.float64))
    assert x.dtype == dtype


@pytest.mark.parametrize("format", STORED)
def test_numbers_are_the_nearest_that_are_kept_and_largest_ones_saturate(format):
    storage, kind = Storage(format), numpy_dtype(format)
    values = np.linspace(-100, 100, 2001)
    assert np.array_equal(storage.snapped(values)[np.abs(values) > 1], values.astype(kind).astype(float)[np.abs(values) > 1])
    far = storage.snapped(np.array([1e9, -1e9, np.nan, 0.0]))
    assert np.array_equal(far, [largest(format), -largest(format), np.nan, 0], equal_nan=True)
    assert storage.snapped(far) is far and storage.keeps(far) and not storage.keeps(values)


def test_infinity_stays_where_the_format_has_it():
    assert Storage("float8_e5m2").snapped(np.array([np.inf]))[0] == np.inf
    assert Storage("float8_e4m3fn").snapped(np.array([-np.inf]))[0] == -448


@pytest.mark.parametrize("scales", SCALES[1:])
def test_heads_tokens_and_blocks_have_other_scales(scales):
    assert len(np.unique(call(stored(scales=scales)).options["k_scale"])) > 1


def test_the_same_numbers_are_stored_wherever_they_stand():
    x = stored(scales="token")
    order = mixed(x.k.shape[2])
    moved = take_keys(x, order)
    assert moved.stored_as(moved.storage) is moved
    assert np.array_equal(read_again(moved, "k"), read_again(x, "k")[:, :, order])
    assert not np.array_equal(call(moved).arrays["k"].view(np.uint8), call(x).arrays["k"][:, :, order].view(np.uint8))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_codes_lie_in_memory_as_the_numbers_did(layout):
    x = stored(scales="tensor", k=layout)
    codes = call(x).arrays["k"]
    assert codes.strides == tuple(stride // x.k.itemsize for stride in x.k.strides)
    assert np.array_equal(read_again(x, "k"), x.k.astype(np.float64))
    assert codes.flags.writeable == x.k.flags.writeable


def test_one_memory_for_all_heads_holds_no_scales_of_each():
    x = stored(scales="head", k="repeated_heads")
    assert np.array_equal(read_again(x, "k"), x.k.astype(np.float64))


def test_nan_is_the_code_of_nan():
    x = stored()
    spoiled = x.replace(v=np.full_like(x.v, np.nan))
    assert np.isnan(call(spoiled).arrays["v"].astype(float)).all()


def test_other_factors_are_scales_and_are_meant():
    x = stored().replace(factors=(1.37, 0.63))
    assert np.array_equal(read_again(x, "v"), x.numbers().v) and x.numbers().v.dtype == np.float64
    plain = expect(x.replace(factors=(1.0, 1.0)), Conventions(), "exact").out
    wanted = expect(x.replace(factors=(1.0, 0.63)), Conventions(), "exact").out
    assert within(wanted, np.float64(np.float32(0.63)) * plain, 2.0**-45).holds


def test_vectors_of_others_do_not_belong_to_rounded_numbers():
    x = realise(Case(PROBLEM))
    assert x.replace(answers={"out": x.q}).stored_as(Storage("float8_e5m2")).answers == {}
    assert x.stored_as(None) is x


def test_without_storage_a_call_is_what_it_was():
    handed = call(realise(Case(PROBLEM)))
    assert set(handed.arrays) == {"q", "k", "v"} and handed.options == {}


@pytest.mark.parametrize("factor", [1.0, 1.37])
@pytest.mark.parametrize("recipe", ["normal", "steep", "positive_values"])
def test_the_bound_holds_for_scales_before_and_behind_the_products(factor, recipe):
    x = stored(dtype="float32", recipe=recipe).replace(factors=(factor, factor))
    expected, handed = expect(x, Conventions(), "exact"), call(x)
    k, v = (np.repeat(handed.arrays[name].astype(np.float32), 2, axis=1) for name in "kv")
    by_key, by_value = (np.repeat(handed.options[f"{name}_scale"], 2)[:, None, None] for name in "kv")
    for before in (True, False):
        scores = x.q @ (k * by_key if before else k).swapaxes(-1, -2) * np.float32(8**-0.5) * (1 if before else by_key)
        powers = np.exp(scores - scores.max(-1, keepdims=True))
        weights = powers / powers.sum(-1, keepdims=True)
        out = weights @ (v * by_value) if before else weights @ v * by_value
        assert within(out, expected.out, expected.bounds.out).holds
    dropped = weights @ v
    assert not within(dropped, expected.out, expected.bounds.out).holds


def kept(weights, kind, size):
    top = weights.max(-1, keepdims=True)
    return (weights / top * size).astype(kind).astype(np.float64) * top / size


MODELS = {
    "weights-e4m3-scaled": (ml_dtypes.float8_e4m3fn, 256.0),
    "weights-e4m3": (ml_dtypes.float8_e4m3fn, 1.0),
    "weights-e5m2": (ml_dtypes.float8_e5m2, 1.0),
}


@pytest.mark.parametrize("recipe", ["normal", "steep", "one_hot_values", "heavy_tails"])
@pytest.mark.parametrize("model", MODELS)
def test_weights_in_eight_bits_keep_their_bound_and_no_tighter_one(model, recipe):
    x = realise(Case(Problem(2, 2, 2, 16, 60, 32, 16, "bfloat16"), recipe))
    exact = attention(x)
    out = kept(exact.weights, *MODELS[model]) @ exact.values
    ratios = {
        name: error_ratios(out, exact.out, AttentionBounds(x, exact, Units.from_precision(named_precision(name, "bfloat16"))).out)
        for name in (model, "weights-rounded")
    }
    assert ratios[model].max() <= 1 < ratios["weights-rounded"].max()


def test_scaled_weights_are_not_asked_where_their_sums_overflow():
    x = realise(Case(Problem(2, 2, 1, 5, 9, 8, 8, "bfloat16"), "huge_values"))
    assert beyond(x, named_precision("weights-e4m3-scaled", "bfloat16")) == "a sum of weights times 2^8"
    assert beyond(x, named_precision("weights-e4m3", "bfloat16")) == ""


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ("fp8", "storage=fp8, but should be a dict"),
        ({"format": "float8"}, "format of storage=float8, but should be one of float8_e4m3fn, float8_e5m2, float8_e4m3fnuz"),
        ({"scales": "head"}, "storage without format, but should have one of float8_e4m3fn, float8_e5m2, float8_e4m3fnuz"),
        ({"kind": "x"}, "storage=kind, but should be one of format, arrays, scales"),
    ],
)
def test_a_declaration_that_is_none_says_what_it_should_be(declared, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Storage.declared(declared)


def test_an_empty_declaration_is_none():
    assert Storage.declared({}) is None
    assert isinstance(Inputs(*[np.zeros((1, 1, 1, 1))] * 3).storage, type(None))

"""The assertion accepts what is right and rejects what is wrong, whatever the framework, and says what is wrong in a sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial

import ml_dtypes
import numpy as np
import pytest

import attention_harness
from attention_harness import assert_attention_close, attention_bound
from attention_harness.conformance.closeness import assertion
from attention_harness.frameworks.values import framework_of, values
from attention_implementations.numpy.eager import attention
from attention_implementations.numpy.online import online
from attention_specs.attention.inputs import Inputs, realise
from attention_specs.attention.spec import call, expect
from attention_specs.contract import Conventions
from attention_specs.precision import candidates


def drawn(*shape, seed=0, dtype=np.float32, key_heads=None, keys=None):
    """Normal q, k and v of [B, Hq, Lq, D], with so many key heads and keys."""
    rng, (batch, heads, length, dim) = np.random.default_rng(seed), shape
    shapes = [shape, *[(batch, key_heads or heads, keys or length, dim)] * 2]
    return [rng.standard_normal(one).astype(dtype) for one in shapes]


q, k, v = drawn(2, 4, 5, 8, key_heads=2, keys=7)
out = attention(q, k, v)


def of(x):
    """Arrays and options of a call, as its caller writes them."""
    asked = call(x)
    return {**asked.arrays, **asked.options}


def message(*arguments, **options):
    with pytest.raises(AssertionError) as caught:
        assert_attention_close(*arguments, **options)
    return str(caught.value)


def test_it_is_the_bound_of_the_properties(affordable):
    for case in affordable:
        x, model = realise(case), candidates(case.problem.dtype)[0]
        expected, right = expect(x, Conventions(), model), attention_bound(**of(x), precision=model)
        assert right.precision == model and right.specified.all()
        for got, wanted in ((right.exact, expected.out), (right.bound, expected.out_bound)):
            assert got.shape == x.output_shape
            np.testing.assert_array_equal(got, wanted)


def test_parts_of_a_call_are_worked_out_as_the_whole(affordable, monkeypatch):
    calls = [of(realise(case)) for case in affordable[::4]]
    whole = [attention_bound(**one) for one in calls]
    monkeypatch.setattr(assertion, "parts", partial(assertion.parts, cells=40))
    for again, one in zip((attention_bound(**one) for one in calls), whole, strict=True):
        for name in ("exact", "bound", "specified"):
            np.testing.assert_array_equal(getattr(again, name), getattr(one, name))


@pytest.mark.parametrize(
    ("scores", "count"),
    [((2, 3, 4, 5), 1), ((2, 3, 1024, 1024), 6), ((7, 4, 1, 1 << 17), 4), ((0, 3, 1, 1), 0), ((1, 1, 0, 9), 1)],
)
def test_parts_cover_each_head_once(scores, count):
    times = np.zeros(scores[:2], int)
    parts = list(assertion.parts(scores))
    for part in parts:
        times[part] += 1
    assert (times == 1).all() and len(parts) == count


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
def test_the_share_of_right_scores_is_never_above_the_bound(affordable, dtype):
    for case in (case for case in affordable if case.problem.dtype == dtype):
        for model in candidates(dtype):
            bounds = expect(realise(case), Conventions(), model).bounds
            with np.errstate(invalid="ignore"):
                assert not (bounds.out_of_right_scores > bounds.out).any()


def test_an_answer_between_that_share_and_the_bound_is_accepted():
    right = attention_bound(q, k, v)
    least = expect(Inputs(q, k, v), Conventions(), None).bounds.out_of_right_scores
    between = (right.exact + (least + right.bound) / 2).astype(np.float32)
    assert (np.abs(between - right.exact) > least).all() and (np.abs(between - right.exact) <= right.bound).all()
    assert_attention_close(between, q, k, v)


def test_the_sentence_names_the_worst_element_and_counts():
    wrong = out.copy()
    wrong[1, 2, 3, 4], wrong[0, 0, 0, 0] = 0.25, np.float32(out[0, 0, 0, 0] + 1e-5)
    right = attention_bound(q, k, v)
    first, second, third = message(wrong, q, k, v).splitlines()
    exact, bound = right.exact[1, 2, 3, 4], right.bound[1, 2, 3, 4]
    assert first == f"out[1,2,3,4]=0.25, but should be {exact:.5g} +- {bound:.3g}"
    ratio = abs(0.25 - exact) / bound
    assert second == f"2 of 320 elements are beyond the bound (precision=exact, float32), error / bound up to {ratio:.3g}"
    assert third.startswith("next: `attention-harness check FILE.py:NAME` ")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_is_beyond(value):
    wrong = out.copy()
    wrong[0, 3, 2, 1] = value
    assert message(wrong, q, k, v).startswith(f"out[0,3,2,1]={value}, but should be ")


def test_shape_and_dtype_of_the_output_are_those_of_the_contract():
    assert message(out[:, :2], q, k, v) == "shape of out=(2, 2, 5, 8), but should be (2, 4, 5, 8)"
    assert message(out.astype(np.float64), q, k, v) == "dtype of out=float64, but should be that of q, float32"


OPTIONS = {
    "causal": {"is_causal": True},
    "window": {"window": (2, None)},
    "scale": {"scale": 0.7},
    "softcap": {"softcap": 2.0},
    "mask": {"mask": np.random.default_rng(1).random((5, 7)) < 0.6},
    "mask of whole numbers": {"mask": np.array([1, 0, 2, 1, 1, 0, 1])},
    "bias": {"bias": np.linspace(-2, 2, 28, dtype=np.float32).reshape(4, 1, 7)},
    "sinks": {"sinks": np.array([0.0, 1.0, -1.0, 2.0], np.float32)},
    "lengths": {"key_lengths": np.array([3, 7]), "query_lengths": np.array([5, 2])},
    "lengths as a list": {"key_lengths": [3, 7]},
    "cache": {"past_k": k[:, :, :3] + 1, "past_v": v[:, :, :3] + 1, "is_causal": True},
}


def plain(options):
    """The options as an implementation takes them: a mask is bool, lengths are arrays."""
    as_arrays = {name: np.asarray(value) for name, value in options.items() if name.endswith("lengths")}
    return options | as_arrays | ({"mask": options["mask"] != 0} if "mask" in options else {})


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_counts(name):
    options = OPTIONS[name]
    assert_attention_close(attention(q, k, v, **plain(options)), q, k, v, **options)
    assert "elements are beyond the bound" in message(out, q, k, v, **options)


def test_conventions_count():
    ends = attention(q, k, v, mask=np.tri(5, 7, 2, dtype=bool))
    assert_attention_close(ends, q, k, v, is_causal=True, causal_alignment="bottom-right")
    assert "elements are beyond" in message(ends, q, k, v, is_causal=True)
    assert_attention_close(ends, q, k, v, window=(None, 0), window_alignment="bottom-right")


@pytest.mark.parametrize(("declared", "row"), [("zeros", 0), ("nan", np.nan), ("uniform", None), ("unspecified", 9)])
def test_a_row_that_sees_no_key_is_judged_as_declared(declared, row):
    mask = np.ones((5, 7), bool)
    mask[3] = False
    got = attention(q, k, v, mask=mask)
    got[:, :, 3] = np.repeat(v, 2, axis=1).mean(2) if row is None else row
    assert_attention_close(got, q, k, v, mask=mask, empty_rows=declared)
    if declared != "unspecified":
        got[1, 2, 3, 4] = 5
        assert message(got, q, k, v, mask=mask, empty_rows=declared).startswith("out[1,2,3,4]=5, but should be ")
    else:
        assert not attention_bound(q, k, v, mask=mask, empty_rows=declared).specified[:, :, 3].any()


def test_the_other_layout():
    turned = [a.swapaxes(1, 2) for a in (out, q, k, v)]
    assert_attention_close(*turned, layout="blhd")
    right = attention_bound(*turned[1:], layout="blhd")
    behind = [a.swapaxes(1, 2)[:, :3] for a in (k, v)], [a.swapaxes(1, 2)[:, 3:] for a in (k, v)]
    assert_attention_close(*turned[:2], *behind[1], past_k=behind[0][0], past_v=behind[0][1], layout="blhd")
    assert right.exact.shape == right.bound.shape == turned[0].shape and right.specified.shape == (2, 5, 4)
    wrong = turned[0].copy()
    wrong[1, 3, 2, 4] = 9
    assert message(wrong, *turned[1:], layout="blhd").startswith("out[1,3,2,4]=9, but should be ")


def test_pytest_shows_the_line_of_the_caller():
    with pytest.raises(AssertionError) as caught:
        assert_attention_close(2 * out, q, k, v)
    hidden = [entry.name for entry in caught.traceback if entry.ishidden(caught)]
    assert hidden == ["assert_attention_close"]


def test_the_precision_decides():
    sixteen = drawn(1, 2, 33, 16, dtype=ml_dtypes.bfloat16)
    rounded = online(16)(*(a.astype(np.float32) for a in sixteen)).astype(ml_dtypes.bfloat16)
    assert_attention_close(rounded, *sixteen, precision="exact")
    weights = [a.astype(np.float32) for a in sixteen]
    powers = np.exp(weights[0] @ weights[1].swapaxes(-1, -2) / 4)
    powers = (powers / powers.sum(-1, keepdims=True)).astype(ml_dtypes.bfloat16).astype(np.float32)
    stored = (powers @ weights[2]).astype(ml_dtypes.bfloat16)
    assert_attention_close(stored, *sixteen, precision="weights-rounded")
    assert_attention_close(stored, *sixteen)
    assert "beyond the bound (precision=exact, bfloat16)" in message(stored, *sixteen, precision="exact")


def test_hidden_numbers_may_be_anything_and_visible_ones_must_be_finite():
    dirty = k.copy()
    dirty[0, :, 5:] = np.nan
    lengths = np.array([5, 7])
    assert_attention_close(attention(q, k, v, key_lengths=lengths), q, dirty, v, key_lengths=lengths)
    with pytest.raises(ValueError, match=r"^k=nan where a query sees a key, but should be finite there"):
        attention_bound(q, dirty, v)


def test_tensors_of_torch():
    torch = pytest.importorskip("torch")
    tensors = [torch.from_numpy(a).requires_grad_() for a in (q, k, v)]
    by_torch = torch.nn.functional.scaled_dot_product_attention(*tensors, is_causal=True, enable_gqa=True)
    assert by_torch.requires_grad
    assert_attention_close(by_torch, *tensors, is_causal=True)
    assert_attention_close(by_torch.detach().numpy(), *tensors, is_causal=torch.tensor(True))
    narrow = [a.detach().bfloat16() for a in tensors]
    in_sixteen = torch.nn.functional.scaled_dot_product_attention(*narrow, enable_gqa=True)
    assert_attention_close(in_sixteen, *narrow, mask=torch.ones(7, dtype=torch.bool))
    assert values(narrow[0].swapaxes(1, 2)).tobytes() == values(narrow[0]).swapaxes(1, 2).tobytes()
    assert "elements are beyond" in message(in_sixteen, *narrow, scale=1.0)


def test_arrays_of_jax():
    jax = pytest.importorskip("jax")
    arrays = [jax.numpy.asarray(a) for a in (q, k, v)]
    assert_attention_close(jax.numpy.asarray(out), *arrays)
    narrow = [a.astype("bfloat16") for a in (out, *arrays)]
    assert ", bfloat16)" in message(narrow[0] * 2, *narrow[1:])

    def traced(q):
        assert_attention_close(out, q, k, v)
        return q

    with pytest.raises(ValueError, match=r"^q=\w*Tracer without values, but should be an array of numpy, torch or jax: "):
        jax.jit(traced)(arrays[0])


def test_the_framework_is_that_of_the_class():
    of_torch = type("Mine", (type("Tensor", (), {"__module__": "torch._tensor"}),), {})
    assert [framework_of(a) for a in (q, of_torch(), [1.0], "torch", None)] == ["numpy", "torch", "", "", ""]


def test_public_names_are_there_and_documented():
    for name in attention_harness.__all__:
        public = getattr(attention_harness, name)
        assert public.__doc__ and (isinstance(public, type) or "Raises " in public.__doc__), name
    assert not hasattr(attention_harness, "allclose_" + "attention")


def test_asserting_on_arrays_of_numpy_loads_neither_a_framework_nor_what_runs_a_check():
    code = """
import sys
import numpy as np
from attention_harness import assert_attention_close
q = k = v = np.ones((1, 1, 2, 4), np.float32)
assert_attention_close(q, q, k, v)
print(sorted({"torch", "jax", "ray", "pandas", "hypothesis", "pytest", "matplotlib"} & set(sys.modules)))
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "[]"

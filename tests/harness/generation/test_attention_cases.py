"""The public strategy: right functions pass, wrong ones shrink to the smallest case, and what is wanted is drawn and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, find, given, settings

from attention_harness import attention_cases
from attention_harness.errors import UsageError
from attention_implementations.numpy.eager import attention

OPTIONS = ["mask", "bias", "is_causal", "window", "scale", "softcap", "sinks", "query_lengths", "key_lengths", "past_k"]
FEW = settings(database=None, derandomize=True, deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
MANY = settings(FEW, max_examples=400)


def drawn(**arguments):
    """The cases of a strategy."""
    cases = []

    @FEW
    @given(attention_cases(**arguments))
    def collect(case):
        cases.append(case)

    collect()
    return cases


def is_wrong(function):
    """Whether a case shows that the function is wrong."""

    def wrong(case):
        try:
            case.assert_close(function(case.q, case.k, case.v, **case.options))
        except AssertionError:
            return True
        return False

    return wrong


@FEW
@given(attention_cases(options=OPTIONS))
def test_a_right_function_passes_with_all_options(case):
    out = attention(case.q, case.k, case.v, **case.options)
    case.assert_close(out)
    assert out.shape == case.expected.shape == case.bound.shape


def test_a_case_shrinks_to_one_number_without_options():
    case = find(attention_cases(options=OPTIONS), lambda case: True, settings=MANY)
    assert repr(case) == "AttentionCase(B=1 Hq=1 Hkv=1 Lq=1 Lk=1 D=1 Dv=1 float32 recipe=normal seed=0)"
    assert case.options == {}


def test_tiled_heads_shrink_to_the_fewest_that_show_it():
    def tiled(q, k, v):
        k, v = (np.tile(a, (1, q.shape[1] // k.shape[1], 1, 1)) for a in (k, v))
        return attention(q, k, v)

    case = find(attention_cases(), is_wrong(tiled), settings=MANY)
    assert (case.q.shape, case.k.shape) == ((1, 4, 1, 1), (1, 2, 1, 1))


def test_a_wrong_option_shrinks_to_that_option():
    def off_by_one(q, k, v, is_causal=False, **options):
        lq, lk = q.shape[2], k.shape[2]
        return attention(q, k, v, mask=np.tri(lq, lk, 1, dtype=bool) if is_causal else None, **options)

    case = find(attention_cases(options=["is_causal", "scale"], values=["normal"]), is_wrong(off_by_one), settings=MANY)
    assert case.options == {"is_causal": True}
    assert case.q.shape[2:] == (1, 1)
    assert case.k.shape[2] == 2


def test_the_sentence_names_the_element_and_the_case():
    (case,) = [one for one in drawn(dtypes=["float32"], values=["normal"]) if one.q.shape == (1, 1, 1, 1)][:1]
    with pytest.raises(AssertionError, match=r"out\[0,0,0,0\]=.*, but should be .* \+- .* \[B=1 Hq=1"):
        case.assert_close(attention(case.q, case.k, case.v) + np.float32(1))


@pytest.mark.parametrize("option", OPTIONS)
def test_no_option_comes_that_is_not_wanted(option):
    cases = drawn(options=[option], dtypes=["float32"], values=["normal"])
    wanted = {option} if option != "past_k" else {"past_k", "past_v"}
    assert {frozenset(case.options) for case in cases} == {frozenset(), frozenset(wanted)}


def test_sizes_and_dtypes_are_those_that_are_wanted():
    sizes = {"head_dim": [64], "value_dim": [64], "query_length": range(64, 129, 64), "query_heads": [4], "key_heads": [2, 4]}
    cases = drawn(dtypes=["bfloat16", "float64"], sizes=sizes)
    assert {case.q.shape[1:] for case in cases} == {(4, 64, 64), (4, 128, 64)}
    assert {case.k.shape[1] for case in cases} == {2, 4}
    assert {case.q.dtype.name for case in cases} == {"bfloat16", "float64"}


def test_an_empty_size_is_drawn_where_it_is_wanted():
    assert {case.expected.shape[2:] for case in drawn(sizes={"query_length": [0], "value_dim": [3]})} == {(0, 3)}


def test_values_are_as_wanted_and_of_all_kinds_by_default():
    assert {case.case.recipe for case in drawn(values=["normal"])} == {"normal"}
    assert len({case.case.recipe for case in drawn()}) > 5


def test_conventions_and_precision_are_those_that_are_declared():
    def bottom_right(q, k, v, is_causal=False):
        lq, lk = q.shape[2], k.shape[2]
        return attention(q, k, v, mask=np.tri(lq, lk, lk - lq, dtype=bool) if is_causal else None)

    for case in drawn(options=["is_causal"], declare={"causal_alignment": "bottom-right"}):
        case.assert_close(bottom_right(case.q, case.k, case.v, **case.options))
    case = find(attention_cases(options=["is_causal"]), is_wrong(bottom_right), settings=MANY)
    assert case.options == {"is_causal": True}


def test_a_precision_is_that_which_is_named():
    def in_float32(q, k, v):
        return attention(*(a.astype(np.float32) for a in (q, k, v))).astype(np.float64)

    cases = drawn(dtypes=["float64"], values=["normal"])
    assert any(map(is_wrong(in_float32), cases))
    for case in cases:
        case.assert_close(in_float32(case.q, case.k, case.v), precision="computed-in-float32")


def test_arrays_are_those_of_the_framework_and_its_switches_stay():
    torch = pytest.importorskip("torch")
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    for case in drawn(framework="torch", options=["mask"], sizes={"query_heads": [2], "key_heads": [2]}, values=["normal"]):
        assert all(isinstance(array, torch.Tensor) for array in (case.q, case.k, case.v, *case.options.values()))
        case.assert_close(_eager(torch, case))
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before


def _eager(torch, case):
    scores = case.q.double() @ case.k.double().mT * case.q.shape[-1] ** -0.5
    scores = scores.masked_fill(~case.options["mask"], -torch.inf) if "mask" in case.options else scores
    return (scores.softmax(-1).nan_to_num() @ case.v.double()).to(case.q.dtype)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dtypes": ["float31"]}, "dtypes=float31, but should be a list of float32, float64"),
        ({"dtypes": "float32"}, "dtypes=float32, but should be a list of"),
        ({"dtypes": []}, "dtypes=none, but should be a list of"),
        ({"options": ["causal"]}, "options=causal, but should be a list of mask, bias, is_causal"),
        ({"values": ["gaussian"]}, "values=gaussian, but should be a list of normal"),
        ({"sizes": {"heads": [1]}}, "sizes=heads, but should be a list of batch, query_heads"),
        ({"sizes": {"batch": []}}, r"sizes of batch=\[\], but should be one number or more"),
        ({"sizes": {"batch": [-1]}}, r"sizes of batch=\[-1\], but should be one number or more, none below 0"),
        ({"sizes": {"query_heads": [3], "key_heads": [2]}}, r"query_heads=\[3\], but should have a multiple of"),
        ({"framework": "tensorflow"}, "framework=tensorflow, but should be a list of numpy"),
        ({"declare": {"empty_rows": "ones"}}, "empty_rows=ones, but should be one of"),
    ],
)
def test_a_wrong_argument_is_one_sentence(arguments, message):
    with pytest.raises(UsageError, match=message):
        attention_cases(**arguments)

"""Other checks accept what is right and reject what is wrong, and what one function does to its inputs does not reach the next."""

from __future__ import annotations

import numpy as np
import pytest

from attention_harness.audit.other_checks import OTHER_CHECKS, OtherCheck, check, compare, load_all, trials
from attention_harness.audit.other_checks._trials import plain, unlike
from attention_harness.audit.other_checks.flash_attention import within
from attention_implementations.numpy.eager import attention
from attention_implementations.numpy.online import online
from attention_specs.attention.spec import Inputs
from attention_specs.contract import OPTIONS, declares

load_all()
QUICK = "Hypothesis and assert_close"

each = pytest.mark.parametrize("name", sorted(OTHER_CHECKS))


def normalised_over_queries(q, k, v, **options):
    """Softmax over the wrong axis."""
    k, v = (np.repeat(a.astype(np.float32), q.shape[1] // a.shape[1], axis=1) for a in (k, v))
    scores = q.astype(np.float32) @ k.swapaxes(-1, -2) * q.shape[-1] ** -0.5
    powers = np.exp(scores - scores.max(-2, keepdims=True))
    return (powers / powers.sum(-2, keepdims=True) @ v).astype(q.dtype)


@declares(options=OPTIONS)
def failing(q, k, v, **options):
    """No answer."""
    raise ValueError("no kernel for this shape")


@declares(options=OPTIONS)
def overwriting(q, k, v, **options):
    """Right, but the inputs are used as scratch memory."""
    out = attention(q, k, v, **options)
    for array in (q, k, v):
        array[...] = 0
    return out


normalised_over_queries.options = ("mask", "bias", "is_causal", "window", "softcap", "query_lengths", "key_lengths")


def objection(name, function):
    """Of the check to the function; skips where it cannot be run."""
    if OTHER_CHECKS[name].missing:
        pytest.skip(OTHER_CHECKS[name].missing)
    return OTHER_CHECKS[name].objection(function)


def test_there_are_four_and_each_names_its_source():
    assert len(OTHER_CHECKS) == 4
    assert all("/" in one.source and one.check.__doc__ for one in OTHER_CHECKS.values())


@pytest.mark.slow
@each
@pytest.mark.parametrize("right", [attention, online(16)], ids=["eager", "online"])
def test_it_accepts_what_is_right(name, right):
    assert objection(name, right) == ""


@pytest.mark.slow
@each
def test_it_rejects_a_softmax_over_the_wrong_axis_for_its_numbers(name):
    text = objection(name, normalised_over_queries)
    assert "but should be" in text
    assert "Error" not in text


@each
def test_an_exception_is_a_rejection(name):
    assert objection(name, failing).startswith("ValueError: no kernel for this shape [")


@pytest.mark.slow
@each
def test_what_is_written_into_the_inputs_does_not_reach_the_next_function(name):
    assert objection(name, overwriting) == objection(name, attention) == ""


def test_the_seed_decides_what_is_asked():
    first, again, other = ([trial.text for trial in OTHER_CHECKS[QUICK].check(seed)] for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == len(trials(QUICK, 1)) == 100


def test_compare_counts_and_names(monkeypatch):
    known = {QUICK: OTHER_CHECKS[QUICK], "absent": OtherCheck("absent", "x", OTHER_CHECKS[QUICK].check, "no_such_package")}
    monkeypatch.setattr("attention_harness.audit.other_checks.load_all", lambda: known)
    asked = []
    rows = compare(
        {"axis": normalised_over_queries, "raises": failing, "none": attention},
        {"right": attention, "not": failing},
        0,
        asked.append,
    )
    ran, absent = rows
    assert (ran.faults_found, ran.faults, ran.rejected) == (2, 3, ("axis", "raises"))
    assert (ran.false_alarms, ran.controls, ran.accused) == (1, 2, ("not",))
    assert (ran.missing, asked) == ("", ["axis", "raises", "none", "right", "not"])
    assert (absent.faults, absent.controls, absent.seconds) == (0, 0, 0)
    assert "no_such_package is not installed" in absent.missing


def test_a_function_of_another_spec_is_a_wrong_call():
    def multi_head(*arrays, heads):
        """A layer."""

    with pytest.raises(ValueError, match="spec=multi-head, but should be attention"):
        compare({}, {"layer": multi_head})


def test_a_function_without_caches_is_asked_without():
    def without(q, k, v, *, past_k=None, **options):
        assert past_k is None
        return attention(q, k, v, **options)

    needing = [trial for trial in trials("flash-attention's criterion", 0) if trial.needs]
    assert {trial.x.past is not None for trial in needing} == {True}
    without.options = normalised_over_queries.options
    assert objection("flash-attention's criterion", without) == ""


def test_a_name_is_taken_once():
    with pytest.raises(ValueError, match="not taken"):
        check(QUICK, "x")(OTHER_CHECKS[QUICK].check)


@pytest.mark.parametrize(
    ("got", "agrees"),
    [
        ([1.0, np.inf], True),
        ([1.125, np.inf], True),
        ([1.25, np.inf], False),
        ([np.nan, np.inf], False),
        ([1.0, -np.inf], False),
        ([1.0, 3e38], False),
        ([np.inf, np.inf], False),
    ],
)
def test_numbers_agree_within_both_tolerances(got, agrees):
    wanted = np.array([1.0, np.inf], np.float32)
    got = np.array(got, np.float32)
    with np.errstate(invalid="ignore"):
        texts = [unlike(got, wanted, 0.125, 0.0, base=base) for base in (wanted, got)]
    assert [text == "" for text in texts] == [agrees, agrees]


def test_the_relative_tolerance_is_that_of_the_base():
    got, wanted = np.array([4.0], np.float32), np.array([2.0], np.float32)
    assert unlike(got, wanted, 0.5, 0.0) != ""
    assert unlike(got, wanted, 0.5, 0.0, base=got) == ""


@pytest.mark.parametrize("got", [np.ones(2), np.ones((2, 1), np.float32)], ids=["dtype", "shape"])
def test_shape_and_dtype_must_be_the_same(got):
    assert unlike(got, np.ones(2, np.float32), 1.0, 1.0).startswith("output=float")


@pytest.mark.parametrize(("got", "agrees"), [(1.5, True), (1.75, False), (np.nan, False)])
def test_the_largest_error_is_within_what_is_allowed(got, agrees):
    assert (within(np.ones(3), 0.5, np.array([1.0, got, 1.0])) == "") == agrees


def test_the_plain_formula_gives_zeros_where_nothing_is_seen():
    q, k, v = np.ones((3, 1, 1, 2, 4), np.float32)
    mask = np.array([[True, False], [False, False]])
    assert plain(Inputs(q, k, v, mask=mask)).tolist() == [[[[1.0] * 4, [0.0] * 4]]]

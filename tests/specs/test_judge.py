"""Verdicts: the table of numbers that are not finite, cell by cell, and the sentence."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from attention_specs.formats import DTYPES, numpy_dtype
from attention_specs.judge import VACUOUS, Side, Verdict, holds, identical, numbers, which_is_off, within

INF, NAN = np.inf, np.nan
KINDS = {"finite": 1.0, "+inf": INF, "-inf": -INF, "NaN": NAN}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("got", "wanted"), list(product(KINDS, KINDS)))
@pytest.mark.parametrize("bound", [0.0, 1.0, INF])
def test_what_is_not_finite_is_right_only_where_it_is_wanted(got, wanted, bound, dtype):
    arrays = [np.array([KINDS[kind]]).astype(numpy_dtype(dtype)) for kind in (got, wanted)]
    assert within(*arrays, bound).holds == (got == wanted)


@pytest.mark.parametrize(("error", "right"), [(0.0, True), (0.5, True), (1.0, True), (1.0 + 2**-52, False), (2.0, False)])
def test_finite_elements_may_be_off_by_the_bound_and_no_more(error, right):
    assert within(np.array([error]), np.array([0.0]), 1.0).holds == right
    assert within(np.array([-error]), np.array([0.0]), 1.0).holds == right


@pytest.mark.parametrize("bound", [NAN, -1.0, 0.0])
def test_no_bound_that_makes_no_sense_excuses_an_error(bound):
    assert not within(np.array([1.0]), np.array([2.0]), bound).holds


def test_one_wrong_element_is_enough_and_is_named():
    got, wanted = np.zeros((2, 3)), np.zeros((2, 3))
    got[1, 2] = 0.5
    verdict = within(got, wanted, 0.125, "out")
    assert verdict.ratio == 4
    assert verdict.message == "out[1,2]=0.5, but should be 0 +- 0.125"


def test_nan_is_worse_than_any_finite_error():
    verdict = within(np.array([1e30, NAN]), np.zeros(2), 1.0)
    assert verdict.ratio == INF
    assert verdict.message.startswith("out[1]=nan")


def test_rows_that_are_left_out_may_be_anything():
    got, wanted = np.array([[NAN, 1.0], [1.0, 1.0]]), np.ones((2, 2))
    assert within(got, wanted, 0.0, rows=np.array([False, True])).holds
    assert not within(got, wanted, 0.0, rows=np.array([True, True])).holds


def test_shapes_must_be_the_same_even_where_they_broadcast():
    verdict = within(np.zeros((1, 2)), np.zeros((2, 2)), INF)
    assert not verdict.holds
    assert verdict.message == "shape of out=1x2, but should be 2x2"


def test_arrays_without_elements_agree():
    assert within(np.zeros((0, 3)), np.zeros((0, 3)), 0.0).holds


def test_identical_knows_one_zero_and_one_nan():
    assert identical(np.array([0.0, NAN]), np.array([-0.0, -NAN])).holds
    assert not identical(np.array([1.0]), np.array([np.nextafter(1, 2)])).holds


def test_a_verdict_of_nan_does_not_hold():
    assert not Verdict(NAN).holds


@pytest.mark.parametrize(("left", "right"), list(product([0.0, 1.0, 2.0, INF, NAN], repeat=2)))
def test_two_verdicts_hold_together_only_if_both_do(left, right):
    assert (Verdict(left) & Verdict(right)).holds == (Verdict(left).holds and Verdict(right).holds)


def test_together_the_worse_message_is_kept_and_one_real_look_is_not_vacuous():
    assert (Verdict(3.0, "bad") & Verdict(2.0, "less")).message == "bad"
    assert not (VACUOUS & Verdict(0.5)).vacuous
    assert (VACUOUS & VACUOUS).vacuous


def test_exact_properties_are_right_or_infinitely_wrong():
    assert holds(True, "so").ratio == 0
    assert (holds(False, "so").ratio, holds(False, "so").message) == (INF, "so")


@pytest.mark.parametrize(
    ("got", "wanted", "texts"),
    [
        (np.float32(1.1365436), np.float64(1.1365436526977557), ("1.136543632", "1.136543653")),
        (np.float32(1), np.nextafter(np.float32(1), np.float32(2)), ("1", "1.00000012")),
        (np.float64(1), np.nextafter(1.0, 2.0), ("1", "1.00000000000000022")),
        (np.float32(1.304), np.float32(0.94708097), ("1.304", "0.94708")),
        (np.float32(5e-39), np.float32(0), ("5e-39", "0")),
        (np.float16(70.5), np.float64(-3e300), ("70.5", "-3e+300")),
        (np.float64(np.nan), np.float64(2), ("nan", "2")),
        (np.float32(-np.inf), np.float32(12345678), ("-inf", "1.2346e+07")),
    ],
)
def test_numbers_have_the_digits_that_show_how_they_differ(got, wanted, texts):
    assert numbers(got, wanted) == texts


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [1.0, 1.1365436, 3e-5, 9.765625e-4, 65000.0])
def test_neighbours_never_look_equal(value, dtype):
    value = np.array(value).astype(numpy_dtype(dtype))
    assert len(set(numbers(value, np.nextafter(value, np.array(0).astype(value.dtype))))) == 2


def test_of_two_answers_the_one_that_is_off_is_named_beside_what_is_right():
    wrong, right, exact = np.array([[1.1255405]]), np.array([[1.13699]]), np.array([[1.136990001]])
    again = Side("out, inputs contiguous", right, exact, 1e-6)
    first = Side("out", wrong, exact, 1e-6)
    verdict = which_is_off(identical(again.got, first.got), again, first)
    assert verdict.message == "out[0,0]=1.1255, but should be 1.137 +- 1e-06 (out, inputs contiguous is right)"
    assert verdict.ratio == np.inf
    swapped = which_is_off(identical(wrong, right), Side("out again", wrong, exact, 1e-6), Side("out", right, exact, 1e-6))
    assert swapped.message.startswith("out again[0,0]=1.1255, but should be 1.137 +- 1e-06 (out is right)")


def test_two_sides_that_are_both_near_or_both_off_are_reported_as_they_are():
    near = [Side(name, np.array([value]), np.array([1.0]), 1.0) for name, value in (("a", 1.25), ("b", 1.5))]
    off = [Side(name, np.array([value]), np.array([1.0]), 0.1) for name, value in (("a", 1.25), ("b", 1.5))]
    for again, first in (near, off):
        verdict = identical(again.got, first.got, "a")
        assert which_is_off(verdict, again, first) == verdict


def test_what_holds_is_left_alone():
    side = Side("a", np.ones(1), np.zeros(1), 0.0)
    assert which_is_off(Verdict(0.0), side, side) == Verdict(0.0)


def test_the_reason_stands_behind_the_sentence_and_no_margin_beside_nan():
    verdict = within(np.ones((1, 1)), np.full((1, 1), NAN), 0.0, why="query 0 is NaN")
    assert verdict.message == "out[0,0]=1, but should be nan (query 0 is NaN)"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_bound_is_asked_for_only_where_something_differs(dtype):
    def bound():
        asked.append(True)
        return np.array([0.5, 0.5])

    asked: list[bool] = []
    wanted = np.array([1.0, NAN])
    assert within(np.array([1.0, NAN], dtype), wanted, bound).ratio == 0
    assert not asked
    assert within(np.array([1.25, NAN], dtype), wanted, bound).ratio == 0.5
    assert within(np.array([2.0, NAN], dtype), wanted, bound).message == "out[0]=2, but should be 1 +- 0.5"
    assert asked

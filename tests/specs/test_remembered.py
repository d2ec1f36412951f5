"""Results that are kept on an object: worked out once for each, and forgotten with it."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from attention_specs.attention.inputs import Inputs, realise
from attention_specs.attention.problem import Problem
from attention_specs.attention.transform import contiguous
from attention_specs.case import Case
from attention_specs.multi_head import transform
from attention_specs.multi_head.inputs import realise as realise_layer
from attention_specs.multi_head.problem import LayerProblem
from attention_specs.remembered import remembered


class Thing:
    """An owner."""


def test_a_result_is_worked_out_once_for_each_object_and_its_arguments():
    asked = []

    @remembered
    def result(owner, *arguments):
        asked.append((owner, *arguments))
        return [*arguments]

    one, other = Thing(), Thing()
    assert result(one, 1) is result(one, 1)
    assert result(one, 2) == [2]
    assert result(other, 1) is not result(one, 1)
    assert asked == [(one, 1), (one, 2), (other, 1)]


def test_two_functions_of_an_object_do_not_share_results():
    first, second = remembered(lambda owner: "first"), remembered(lambda owner: "second")
    thing = Thing()
    assert (first(thing), second(thing)) == ("first", "second")


@pytest.mark.parametrize("result", [lambda thing: thing, lambda thing: np.zeros(3)])
def test_an_object_is_freed_at_once_with_its_results(result):
    thing = Thing()
    gone = weakref.ref(thing)
    for _ in range(2):
        remembered(result)(thing)
    gc.disable()
    try:
        del thing
        assert gone() is None
    finally:
        gc.enable()


def test_inputs_with_other_options_remember_nothing_of_the_first():
    x = realise(Case(Problem(1, 1, 1, 3, 3, 4, 4)))
    assert x.visible().all()
    assert not x.replace(is_causal=True).visible().all()


def test_contiguous_inputs_of_a_call_are_one_object():
    x = realise(Case(Problem(1, 2, 2, 3, 3, 4, 4), layouts={"q": "every_second"}))
    assert contiguous(x) is contiguous(x) is not x
    assert contiguous(contiguous(x)) is contiguous(x)
    assert isinstance(x.with_explicit_mask(), Inputs)


def test_a_contiguous_layer_is_its_own_contiguous_form():
    x = realise_layer(Case(LayerProblem(), "normal"))
    assert transform.contiguous(x) is x
    strided = realise_layer(Case(LayerProblem(d_model=4, heads=2), "normal", layouts={"query": "every_second"}))
    assert transform.contiguous(strided) is transform.contiguous(strided) is not strided
    assert np.array_equal(transform.contiguous(strided).query, strided.query)

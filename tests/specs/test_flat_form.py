"""Calls whose heads lie side by side in the last axis: what is handed over, and how answers and gradients come back."""

from __future__ import annotations

import numpy as np
import pytest

from attention_specs.attention.inputs import realise
from attention_specs.attention.problem import Problem
from attention_specs.attention.spec import call
from attention_specs.case import Case
from attention_specs.contract import Description
from attention_specs.forms import FORMS, form_of
from attention_specs.forms.flat import joined, parted
from attention_specs.spec import Unsupported

GROUPED = Case(Problem(2, 4, 2, 5, 5, 3, 3))
BOTH = ("query_heads", "key_heads")


def form(positional=(), layout="3hd", metadata=BOTH, **declared):
    return form_of(Description("mine", form="flat", layout=layout, positional=positional, metadata=metadata, **declared))


def handed_over(the_form, case=GROUPED):
    x = realise(case)
    return x, the_form.to_call(x, call(x))


def test_heads_lie_side_by_side_and_their_numbers_are_told():
    x, asked = handed_over(form())
    assert {name: a.shape for name, a in asked.arrays.items()} == {"q": (2, 5, 12), "k": (2, 5, 6), "v": (2, 5, 6)}
    assert np.array_equal(asked.arrays["q"][:, :, 3:6], x.q[:, 1])
    assert (asked.options["query_heads"], asked.options["key_heads"]) == (4, 2)


def test_all_queries_come_before_the_keys_and_these_before_the_values():
    x, asked = handed_over(form(("qkv",)))
    assert [*asked.arrays] == ["qkv"] and asked.arrays["qkv"].shape == (2, 5, 24)
    first_key, last_value = asked.arrays["qkv"][:, :, 12:15], asked.arrays["qkv"][:, :, 21:]
    assert np.array_equal(first_key, x.k[:, 0]) and np.array_equal(last_value, x.v[:, 1])


def test_each_key_head_lies_behind_its_query_heads_where_that_is_declared():
    x, asked = handed_over(form(("qkv",), "h3d"))
    heads = [asked.arrays["qkv"][:, :, place : place + 3] for place in range(0, 24, 3)]
    wanted = [x.q[:, 0], x.q[:, 1], x.k[:, 0], x.v[:, 0], x.q[:, 2], x.q[:, 3], x.k[:, 1], x.v[:, 1]]
    assert all(np.array_equal(*pair) for pair in zip(heads, wanted, strict=True))


@pytest.mark.parametrize("layout", FORMS["flat"].layouts)
@pytest.mark.parametrize("positional", [("qkv",), ("q", "kv"), ("q", "k", "v")])
def test_gradients_of_one_array_come_apart(layout, positional):
    the_form = form(positional, layout)
    x, asked = handed_over(the_form)
    for name in "qkv":
        flat = the_form.part(x, name, asked.arrays[the_form.holder(name)])
        assert flat.shape == the_form.shape(x, f"d{name}")
        assert np.array_equal(the_form.from_answer(x, f"d{name}", flat), getattr(x, name))


@pytest.mark.parametrize("sizes", [(0, 1, 1, 3, 3, 8, 8), (2, 4, 2, 0, 0, 8, 8), (2, 0, 0, 3, 3, 8, 8), (2, 4, 2, 3, 3, 0, 0)])
@pytest.mark.parametrize("layout", FORMS["flat"].layouts)
def test_arrays_without_elements_have_their_shapes(layout, sizes):
    the_form = form(("qkv",), layout)
    x, asked = handed_over(the_form, Case(Problem(*sizes)))
    assert the_form.from_answer(x, "dk", the_form.part(x, "k", asked.arrays["qkv"])).shape == x.k.shape


def test_a_gradient_of_a_wrong_shape_stays_as_it_is():
    the_form = form(("qkv",))
    x, _ = handed_over(the_form)
    assert the_form.part(x, "k", np.zeros((2, 5, 23))).shape == (2, 5, 23)


def test_an_output_comes_back_and_a_log_sum_exp_is_left_alone():
    x, the_form = realise(GROUPED), form()
    out = np.arange(120.0).reshape(2, 5, 12)
    assert np.array_equal(the_form.from_answer(x, "out", out)[:, 1], out[:, :, 3:6])
    assert np.array_equal(the_form.to_answer(x, "out", the_form.from_answer(x, "out", out)), out)
    assert the_form.shape(x, "lse") == (2, 4, 5) and the_form.from_answer(x, "lse", lse := np.zeros((2, 4, 5))) is lse


def test_numbers_of_heads_that_nobody_tells_are_refused():
    with pytest.raises(Unsupported, match="heads=4 and 2, but should have key_heads == query_heads: it is told query_heads"):
        handed_over(form(metadata=("query_heads",), domain=("key_heads == query_heads",)))
    with pytest.raises(Unsupported, match="heads=4 and 2, but should have heads == 8: it is told no number of heads"):
        handed_over(form(metadata=(), domain=("heads == 8",)))


def test_keys_of_another_length_cannot_lie_in_one_array_with_the_queries():
    with pytest.raises(Unsupported, match=r"shapes=.*, but should differ in their heads alone: they lie in qkv"):
        handed_over(form(("qkv",)), Case(Problem(2, 4, 2, 5, 6, 3, 3)))


def test_joining_and_parting_are_inverse():
    parts = [np.random.default_rng(0).random((2, heads, 5, 3)) for heads in (6, 3, 3)]
    for groups in (1, 3):
        apart = parted(joined(parts, groups), [a.shape for a in parts], groups)
        assert all(np.array_equal(*pair) for pair in zip(parts, apart, strict=True))


def test_an_option_that_has_to_be_given_has_the_sizes_of_the_call():
    _, asked = handed_over(form(needed=("mask", "scale")))
    assert asked.options["mask"].shape == (1, 1, 5, 5) and asked.options["scale"] == 3**-0.5

"""From a case to arrays: the same bits each time, rounded to the dtype, lying in memory as the case says."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from attention_specs import masks
from attention_specs.attention.inputs import Inputs, realise
from attention_specs.attention.problem import Problem
from attention_specs.attention.recipes import DRAWN
from attention_specs.case import Case
from attention_specs.formats import DTYPES, numpy_dtype
from attention_specs.layouts import LAYOUTS

NAMES = ("q", "k", "v", "mask", "bias", "sinks")
SHAPE = (2, 3, 4, 5)


def arrays(x):
    return {name: getattr(x, name) for name in NAMES if getattr(x, name) is not None}


def same_bits(x, y):
    return [a.tobytes() for a in arrays(x).values()] == [a.tobytes() for a in arrays(y).values()]


def strides(shape, order, item):
    """Bytes from one index to the next, with the axes in that order of memory, the last one innermost."""
    steps, step = {}, item
    for axis in reversed(order):
        steps[axis], step = step, step * shape[axis]
    return tuple(steps[axis] for axis in range(4))


PROMISED = {
    "contiguous": lambda item: strides(SHAPE, (0, 1, 2, 3), item),
    "heads_last": lambda item: strides(SHAPE, (0, 2, 1, 3), item),
    "dims_first": lambda item: strides(SHAPE, (0, 1, 3, 2), item),
    "every_second": lambda item: (*strides((2, 3, 4, 10), (0, 1, 2, 3), item)[:3], 2 * item),
    "inside": lambda item: strides((5, 6, 7, 8), (0, 1, 2, 3), item),
    "one_off": lambda item: strides(SHAPE, (0, 1, 2, 3), item),
    "backwards": lambda item: tuple(s * sign for s, sign in zip(strides(SHAPE, (0, 1, 2, 3), item), (1, 1, -1, 1), strict=True)),
    "read_only": lambda item: strides(SHAPE, (0, 1, 2, 3), item),
    "repeated_batch": lambda item: (0, *strides(SHAPE, (0, 1, 2, 3), item)[1:]),
    "repeated_heads": lambda item: tuple(0 if a == 1 else s for a, s in enumerate(strides(SHAPE, (0, 1, 2, 3), item))),
    "repeated_rows": lambda item: tuple(0 if a == 2 else s for a, s in enumerate(strides(SHAPE, (0, 1, 2, 3), item))),
}
PROMISED["fewer_axes"] = PROMISED["contiguous"]  # no axis of SHAPE is 1; see below for those that are
REPEATED = {"repeated_batch": 0, "repeated_heads": 1, "repeated_rows": 2}


@pytest.mark.parametrize("dtype", [*DTYPES, "bool"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_have_their_strides_and_the_same_values(layout, dtype):
    kind = np.dtype(bool) if dtype == "bool" else numpy_dtype(dtype)
    array = (np.arange(120) % (2 if dtype == "bool" else 121)).reshape(SHAPE).astype(kind)
    if layout in REPEATED:
        axis = REPEATED[layout]
        array = np.repeat(array.take([0], axis), SHAPE[axis], axis)
    laid_out = LAYOUTS[layout](array)
    assert laid_out.strides == PROMISED[layout](kind.itemsize)
    assert laid_out.dtype == kind
    assert np.array_equal(laid_out, array)


@pytest.mark.parametrize(
    ("shape", "left"),
    [((1, 1, 1, 5), (5,)), ((1, 1, 4, 5), (4, 5)), ((1, 3, 1, 5), (3, 1, 5)), ((2, 1, 1, 5), (2, 1, 1, 5)), ((1, 1, 1, 1), (1,))],
)
def test_fewer_axes_leaves_out_leading_ones_only(shape, left):
    assert LAYOUTS["fewer_axes"](np.zeros(shape)).shape == left


def test_read_only_arrays_cannot_be_written_to():
    array = np.zeros(SHAPE)
    assert not LAYOUTS["read_only"](array).flags.writeable
    assert array.flags.writeable


def test_one_off_starts_one_element_into_its_buffer_and_ends_one_before():
    view = LAYOUTS["one_off"](np.zeros(SHAPE))
    root = view
    while root.base is not None:
        root = root.base
    assert view.__array_interface__["data"][0] - root.__array_interface__["data"][0] == view.itemsize
    assert root.nbytes == view.nbytes + 2 * view.itemsize


@pytest.mark.parametrize("layout", ["every_second", "inside", "one_off"])
def test_gaps_hold_poison(layout):
    view = LAYOUTS[layout](np.zeros(SHAPE, np.float32))
    root = view
    while root.base is not None:
        root = root.base
    values = np.frombuffer(root.tobytes(), np.float32)
    assert set(values[values != 0]) == {np.float32(np.frombuffer(b"\x7f" * 4, np.float32)[0])}
    assert np.sum(values == 0) == view.size


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("axis", range(4))
def test_layouts_take_arrays_without_elements(layout, axis):
    shape = tuple(0 if a == axis else n for a, n in enumerate(SHAPE))
    assert LAYOUTS[layout](np.zeros(shape)).shape == shape


def test_the_same_case_gives_the_same_bits(affordable):
    for case in affordable[:40]:
        assert same_bits(realise(case), realise(Case.from_json(case.to_json())))


@pytest.mark.parametrize("recipe", [name for name in DRAWN if name not in ("deltas",)])
def test_another_seed_gives_other_values(recipe):
    case = Case(Problem(query_length=5, key_length=6, head_dim=8, value_dim=7), recipe)
    assert not same_bits(realise(case), realise(replace(case, seed=1)))


@pytest.mark.parametrize("recipe", DRAWN)
@pytest.mark.parametrize("dtype", DTYPES)
def test_recipes_stay_finite_in_every_dtype_and_at_size_zero(recipe, dtype):
    sizes = {"batch": 2, "query_heads": 4, "key_heads": 2, "query_length": 3, "key_length": 5, "head_dim": 8, "value_dim": 9}
    for zero in (None, "batch", "query_length", "key_length", "head_dim", "value_dim"):
        problem = Problem(**sizes | ({zero: 0} if zero else {}), dtype=dtype)
        x = realise(Case(problem, recipe))
        assert x.score_shape == problem.score_shape
        assert x.output_shape == (*problem.score_shape[:3], problem.value_dim)
        assert all(a.dtype == numpy_dtype(dtype) and np.isfinite(a.astype(float)).all() for a in arrays(x).values())


def test_layouts_apply_to_the_arrays_that_they_name():
    problem = Problem(batch=2, query_length=3, key_length=3, head_dim=4, value_dim=4, mask=masks.causal())
    x = realise(Case(problem, layouts={"k": "backwards", "mask": "dims_first"}))
    assert x.k.strides[2] < 0
    assert x.mask.strides[-1] > x.mask.strides[-2]
    assert x.q.flags.c_contiguous


RULES = {
    "is_causal": ({"is_causal": True}, lambda b, i, j: j <= i),
    "window": ({"window": (1, 0)}, lambda b, i, j: i - 1 <= j <= i),
    "query_lengths": ({"query_lengths": np.array([1, 3])}, lambda b, i, j: i < (1, 3)[b]),
    "key_lengths": ({"key_lengths": np.array([4, 0])}, lambda b, i, j: j < (4, 0)[b]),
}


@pytest.mark.parametrize("given", [[name] for name in RULES] + [list(RULES)], ids="+".join)
def test_rules_written_out_hide_what_they_say(given):
    q, k = np.zeros((2, 2, 3, 1)), np.zeros((2, 1, 4, 1))
    x = Inputs(q, k, k, **{name: value for rule in given for name, value in RULES[rule][0].items()})
    sees = [RULES[rule][1] for rule in given]
    wanted = np.array([[[[all(f(b, i, j) for f in sees) for j in range(4)] for i in range(3)]] * 2 for b in range(2)])
    written = x.with_explicit_mask()
    assert np.array_equal(x.allowed(), wanted)
    assert np.array_equal(np.broadcast_to(written.mask, x.score_shape), wanted)
    assert written.rules() is None


def test_a_bias_of_minus_infinity_hides_and_a_large_negative_one_does_not():
    q, k = np.zeros((1, 1, 1, 1)), np.zeros((1, 1, 3, 1))
    x = Inputs(q, k, k, bias=np.array([0.0, -np.inf, -1e30]), mask=np.array([True, True, True]))
    assert x.visible()[0, 0, 0].tolist() == [True, False, True]
    assert x.allowed().all()


def test_inputs_have_the_dtype_and_group_of_their_query():
    make = partial(np.zeros, dtype=np.float16)
    x = Inputs(make((1, 6, 2, 3)), make((1, 2, 4, 3)), make((1, 2, 4, 5)))
    assert (x.dtype, x.group, x.score_shape, x.output_shape) == ("float16", 3, (1, 6, 2, 4), (1, 6, 2, 5))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_values_may_be_the_first_columns_of_the_keys(layout):
    x = realise(Case(Problem(2, 4, 1, 3, 5, 8, 6), layouts={"k": layout, "v": "inside_k"}))
    assert np.array_equal(x.v, x.k[..., :6]) and np.shares_memory(x.v, x.k)


def test_values_that_are_wider_than_keys_are_their_own():
    wide = Case(Problem(2, 4, 1, 3, 5, 4, 6), layouts={"v": "inside_k"})
    assert same_bits(realise(wide), realise(replace(wide, layouts={})))

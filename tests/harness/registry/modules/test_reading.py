"""The way of weights and masks into a module, in each reading."""

from __future__ import annotations

import numpy as np
import pytest

from attention_harness.registry.modules.kinds import Parameter
from attention_harness.registry.modules.plain_layer import example
from attention_harness.registry.modules.reading import MASK_AXES, Reading
from attention_harness.registry.modules.sizes import Size
from attention_specs.case import Case
from attention_specs.multi_head import spec
from attention_specs.multi_head.problem import LayerProblem

D, HEADS = 6, 2
WEIGHTS = {f"w_{letter}": np.arange(D * D).reshape(D, D) + 100 * place for place, letter in enumerate("qkvo")}
SHAPE = (3, HEADS, 4, 5)


def value(role, shape, stored="", names=("a",), key_heads=HEADS, **reading):
    parameters = {name: Parameter(shape, stored) for name in names}
    return Reading(**reading).values(WEIGHTS, Size(D, HEADS, key_heads), {role: names}, parameters)


def test_a_matrix_is_transposed_where_it_is_stored_so():
    assert (value("w_q", (D, D))["a"] == WEIGHTS["w_q"]).all()
    assert (value("w_q", (D, D), "out,in")["a"] == WEIGHTS["w_q"].T).all()
    assert (value("w_q", (D, D), stored="out,in")["a"] == WEIGHTS["w_q"].T).all()


@pytest.mark.parametrize("columns", ["3hd", "h3d", "hd3"])
def test_columns_of_a_fused_weight_come_apart_again(columns):
    fused = value("w_qkv", (D, 3 * D), columns=columns)["a"]
    shape = {"3hd": (3, HEADS, D // HEADS), "h3d": (HEADS, 3, D // HEADS), "hd3": (HEADS, D // HEADS, 3)}[columns]
    apart = np.moveaxis(fused.reshape(D, *shape), 1 + columns.index("3"), 0).reshape(3, D, D)
    assert all((one == WEIGHTS[f"w_{letter}"]).all() for one, letter in zip(apart, "qkv", strict=True))


def test_heads_of_their_own_get_their_columns_and_the_output_their_rows():
    parts = value("w_k", (D, D // HEADS), names=("a", "b"))
    assert (np.concatenate([parts["a"], parts["b"]], 1) == WEIGHTS["w_k"]).all()
    rows = value("w_o", (D // HEADS, D), names=("a", "b"))
    assert (np.concatenate([rows["a"], rows["b"]]) == WEIGHTS["w_o"]).all()


def test_of_heads_that_share_keys_the_first_has_the_columns():
    assert (value("w_k", (D, D // HEADS), key_heads=1)["a"] == WEIGHTS["w_k"][:, : D // HEADS]).all()
    fused = value("w_qkv", (D, 2 * D), key_heads=1)["a"]
    assert (fused[:, D : D + 3] == WEIGHTS["w_k"][:, :3]).all() and (fused[:, D + 3 :] == WEIGHTS["w_v"][:, :3]).all()
    with pytest.raises(NotImplementedError, match="columns=hd3, but should be another order"):
        value("w_qkv", (D, 2 * D), key_heads=1, columns="hd3")


def test_by_heads_the_queries_of_a_key_head_come_before_it():
    size, dim = Size(8, 4, 2), 2
    arrays = {f"w_{letter}": np.arange(64.0).reshape(8, 8) + 100 * place for place, letter in enumerate("qkv")}
    fused = Reading(columns="h3d").values(arrays, size, {"w_qkv": ("a",)}, {"a": Parameter((8, 16))})["a"]
    heads = [fused[:, place : place + dim] for place in range(0, 16, dim)]
    wanted = [("q", 0), ("q", 1), ("k", 0), ("v", 0), ("q", 2), ("q", 3), ("k", 2), ("v", 2)]
    pairs = zip(heads, wanted, strict=True)
    assert all((a == arrays[f"w_{letter}"][:, dim * head : dim * (head + 1)]).all() for a, (letter, head) in pairs)


def test_kernels_of_three_axes():
    assert (value("w_q", (D, HEADS, D // HEADS))["a"].reshape(D, D) == WEIGHTS["w_q"]).all()
    assert (value("w_q", (HEADS, D, D // HEADS))["a"][1] == WEIGHTS["w_q"][:, D // HEADS :]).all()
    assert (value("w_o", (HEADS, D // HEADS, D))["a"].reshape(D, D) == WEIGHTS["w_o"]).all()


def test_another_size_is_refused():
    with pytest.raises(NotImplementedError, match=r"shape of a=\(3, 3\), but should have 36 elements"):
        value("w_q", (3, 3))


@pytest.mark.parametrize(
    ("axes", "shape"), [("bhqk", (3, 1, 4, 5)), ("bqk", (3, 4, 5)), ("qk", (4, 5)), ("bk", (3, 5)), ("(bh)qk", (6, 4, 5))]
)
def test_forms_of_a_mask(axes, shape):
    mask = np.random.default_rng(0).random([size if axis in MASK_AXES[axes] and axis != "h" else 1
                                            for axis, size in zip("bhqk", SHAPE, strict=True)]) < 0.5  # fmt: skip
    formed = Reading(mask_axes=axes).mask(mask, SHAPE, np.dtype("float32"), hidden=False)
    assert formed.shape == shape
    assert formed.sum() * mask.size == mask.sum() * formed.size


def test_a_mask_that_differs_between_heads_is_refused_where_there_is_no_axis_for_it():
    with pytest.raises(NotImplementedError, match=r"mask=.*, but should be the same along h: its form is \[bqk\]"):
        Reading(mask_axes="bqk").mask(np.ones(SHAPE, bool), SHAPE, np.dtype("float32"), hidden=False)


@pytest.mark.parametrize(
    ("kind", "hidden", "wanted"),
    [("any", False, [1, 0]), ("bool", True, [False, True]), ("numbers", False, [1, 0]), ("added", False, [0, -np.inf])],
)
def test_kinds_of_a_mask(kind, hidden, wanted):
    formed = Reading(mask_kind=kind).mask(np.array([1, 0]), (1, 1, 1, 2), np.dtype("float16"), hidden)
    assert formed.ravel().tolist() == wanted
    assert formed.dtype == {"any": np.int64, "bool": bool, "numbers": np.int64, "added": np.float16}[kind]


@pytest.mark.parametrize("itself", [True, False])
def test_the_plain_layer_is_that_of_the_specification(itself):
    plain = example(Size(8, 2, 2), itself, ("b_q", "w_o"))
    x = spec.realise(Case(LayerProblem(2, 2, 5, 5, 8, "float64", self_attention=itself)))
    seen = np.arange(5) <= np.arange(5)[:, None]
    expected = spec.expect(x.replace(**plain.arrays, mask=seen[None, None]), spec.Conventions(), None)
    assert (np.abs(plain.under(seen[None, None]).answer() - expected.out) <= expected.bounds.out).all()
    blind = spec.expect(x.replace(**plain.arrays, mask=~seen[None, None]), spec.Conventions(empty_rows="uniform"), None)
    assert (np.abs(plain.under(~seen[None, None]).answer() - blind.out) <= blind.bounds.out).all()

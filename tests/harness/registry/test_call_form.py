"""A call of the contract in the form of a function, and its answer read back."""

from __future__ import annotations

import numpy as np
import pytest

from attention_harness.errors import CallFailed
from attention_harness.process.in_process import InProcessWorker
from attention_harness.process.messages import Request
from attention_harness.process.packing import pack
from attention_harness.registry.call_form import CallForm
from attention_harness.registry.loading import describe
from attention_specs.contract import LAYOUTS, Description, declares

Q, K = np.arange(24.0).reshape(1, 2, 3, 4), np.arange(40.0).reshape(1, 2, 5, 4)
MASK = np.arange(15).reshape(1, 1, 3, 5) % 2 == 0


def asked(function, wanted=(), **options):
    """The answer of the function in this process."""
    packed = {name: pack(value) if isinstance(value, np.ndarray) else value for name, value in options.items()}
    arrays = {name: pack(array) for name, array in (("q", Q), ("k", K), ("v", K))}
    return InProcessWorker(function, "mine").call(Request(arrays, packed, wanted))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrays_lie_as_declared_and_come_back(layout):
    form = CallForm(Description("mine", layout=layout))
    given = form.given("q", Q)
    sizes = dict(zip("bhld", Q.shape, strict=True))
    assert given.shape == tuple(sizes[axis] for axis in layout)
    assert np.array_equal(form.back("q", given), Q)
    assert np.array_equal(form.back("lse", form.given("lse", Q[..., 0])), Q[..., 0])


def test_a_layout_without_a_batch_refuses_one():
    with pytest.raises(NotImplementedError, match="batch=2, but should be 1: layout=hld has no batch axis"):
        CallForm(Description("mine", layout="hld")).given("q", np.concatenate([Q, Q]))


def test_a_mask_is_turned_and_a_function_that_writes_to_it_is_seen():
    seen = []

    @declares(mask_means="hidden")
    def attention(q, k, v, *, mask=None):
        seen.append(mask.copy())
        return q + 0

    assert asked(attention, mask=MASK).changed == ()
    assert np.array_equal(seen[0], ~MASK)

    @declares(mask_means="hidden")
    def writes(q, k, v, *, mask=None):
        mask[...] = True
        return q + 0

    assert asked(writes, mask=MASK).changed == ("mask",)


def test_contiguous_arrays_are_copies_that_are_watched_too():
    @declares(contiguous=True, layout="blhd")
    def attention(q, k, v):
        assert q.flags.c_contiguous
        q *= 2
        return q

    answer = asked(attention)
    assert (answer.changed, answer.aliased) == (("q",), ("q",))
    assert np.array_equal(answer.out, 2 * Q)


def test_of_a_tuple_that_always_comes_back_the_wanted_parts_are_taken():
    @declares(returns=("lse", "out", "rest"))
    def attention(q, k, v):
        return q[..., 0], q + 0, None

    assert np.array_equal(asked(attention).out, Q)
    answer = asked(attention, wanted=("lse",))
    assert np.array_equal(answer.out, Q) and np.array_equal(answer.extra["lse"], Q[..., 0])


@pytest.mark.parametrize(
    ("returns", "message"),
    [
        (("out", "lse", "more"), "output=tuple of 2, but should be as declared, returns=out, lse, more"),
        ((), 'attention.returns = \\("out", "lse"\\)'),
    ],
)
def test_another_tuple_is_an_error_that_says_what_to_declare(returns, message):
    @declares(returns=returns)
    def attention(q, k, v):
        return q, q

    with pytest.raises(CallFailed, match=message):
        asked(attention)


def test_what_has_to_be_given_changes_nothing():
    given = {}

    def attention(q, k, v, mask, bias, is_causal, scale, window, key_lengths):
        given.update(mask=mask, bias=bias, is_causal=is_causal, scale=scale, window=window, key_lengths=key_lengths)
        return q + 0

    asked(attention)
    assert given["mask"].all() and given["mask"].shape == (1, 1, 3, 5) and not given["bias"].any()
    assert (given["is_causal"], given["scale"], given["window"]) == (False, 0.5, (None, None))
    assert given["key_lengths"].tolist() == [5]


def test_what_is_passed_by_position_arrives_in_its_order_without_what_the_function_has_defaults_for():
    calls = []

    @declares(positional=("k", "v", "q", "scale", "is_causal"))
    def attention(keys, values, queries, sm_scale=7, causal=8, /):
        calls.append((sm_scale, causal))
        return queries + 0

    assert np.array_equal(asked(attention).out, Q)
    asked(attention, scale=0.5)
    asked(attention, is_causal=True)
    assert calls == [(7, 8), (0.5, 8), (None, True)]


def test_open_sides_of_a_window_are_the_number_of_its_default():
    windows = []

    def attention(q, k, v, window_size=(-1, -1)):
        windows.append(window_size)
        return q + 0

    asked(attention, window=(2, None))
    assert windows == [(2, -1)]


def test_an_option_that_the_domain_fixes_is_not_passed():
    @declares(domain=("is_causal == True",))
    def attention(q, k, v):
        return q + 0

    assert np.array_equal(asked(attention, is_causal=True).out, Q)


def test_a_function_that_wants_other_arrays_is_told_what_to_declare():
    def attention(q, k, v):
        return q.softmax(-1)

    with pytest.raises(CallFailed, match='it gets arrays of NumPy, for others declare attention.framework = "'):
        asked(attention)
    with pytest.raises(CallFailed, match="has no attribute 'softmax'$"):
        asked(declares(framework="numpy")(attention))


def test_an_exception_of_the_authors_own_is_left_as_it_is():
    def attention(q, k, v):
        raise TypeError("no mask of that shape")

    with pytest.raises(CallFailed, match="^TypeError: no mask of that shape$"):
        asked(attention)


@pytest.mark.parametrize(("layout", "axis"), [("blhd", 2), ("bhld", 1)])
def test_arrays_in_one_lie_in_front_of_the_heads_and_come_apart(layout, axis):
    form = CallForm(Description("mine", layout=layout, positional=("qkv",)))
    own = {name: form.given(name, array) for name, array in (("q", Q), ("k", -Q), ("v", 2 * Q))}
    fused = form.together(own | {"scale": 2.0})
    assert [*fused] == ["qkv", "scale"]
    assert (np.take(fused["qkv"], 1, axis) == own["k"]).all()
    assert all((array == own[name]).all() for name, array in form.apart({"qkv": fused["qkv"]}).items())
    assert form.by_position(("q", "k", "v")) == form.inside(("q", "v")) == ("qkv",)


def test_keys_and_values_in_one_stand_behind_the_queries():
    form = CallForm(Description("mine", positional=("q", "kv")))
    assert form.together({"q": Q, "k": K, "v": -K})["kv"].shape == (1, 2, 2, 5, 4)
    assert form.by_position(("q", "k", "v")) == ("q", "kv")


def test_arrays_of_several_shapes_cannot_lie_in_one():
    with pytest.raises(NotImplementedError, match=r"shapes=.*, but should be one: they lie in qkv"):
        CallForm(Description("mine", positional=("qkv",))).together({"q": Q, "k": K, "v": K})


@declares(layout="blhd")
def fused_with_scale(qkv, scale=1.0):
    return scale * (qkv[:, :, 0] + 10 * qkv[:, :, 1] + 100 * qkv[:, :, 2])


@declares(layout="blhd")
def fused_that_writes(qkv):
    qkv[:, :, 1] += 1
    return qkv[:, :, 0] + 0


def test_a_function_of_one_array_is_called_with_it():
    packed = {name: pack(array) for name, array in (("q", Q), ("k", -Q), ("v", 2 * Q))}
    answer = InProcessWorker(fused_with_scale, "mine").call(Request(packed, {"scale": 2.0}, ()))
    assert np.array_equal(answer.out, 2 * (Q - 10 * Q + 200 * Q))
    assert answer.changed == ()
    assert InProcessWorker(fused_that_writes, "mine").call(Request(packed, {}, ())).changed == ("k",)


def test_gradients_of_one_array_come_apart():
    torch = pytest.importorskip("torch")

    @declares(framework="torch", gradient=True, layout="blhd")
    def weighted(qkv):
        return qkv[:, :, 0] + 10 * qkv[:, :, 1] + 100 * qkv[:, :, 2]

    assert torch
    packed = {name: pack(Q.copy()) for name in "qkv"}
    answer = InProcessWorker(weighted, "mine").call(Request(packed, {}, (), dout=pack(np.ones_like(Q)), wrt=("v", "q")))
    assert {name: float(array.max()) for name, array in answer.extra.items()} == {"v": 100.0, "q": 1.0}


def test_a_switch_of_a_library_is_on_in_every_call_unless_it_is_ignored():
    seen = []

    def attention(q, k, v, *, enable_gqa=False, dropout_p=0.0):
        seen.append((enable_gqa, dropout_p))
        return q

    description = describe(attention, "mine")
    assert (description.switches, description.options) == (("enable_gqa",), ())
    assert description.notes == (
        "always true: enable_gqa",
        "left at their defaults: dropout_p",
    )
    asked(attention)
    asked(declares(ignored=("enable_gqa",))(attention))
    assert seen == [(True, 0.0), (False, 0.0)]

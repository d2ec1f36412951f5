"""The analytic gradient against differences of the output in decimal numbers, and against one written in loops."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attention_specs import biases, masks
from attention_specs.attention.gradient_bounds import gradient_bounds
from attention_specs.attention.gradients import gradients
from attention_specs.attention.inputs import realise
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.precision import Precision, named_precision

SIZES = {"batch": 2, "query_heads": 4, "key_heads": 2, "query_length": 3, "key_length": 4, "head_dim": 2, "value_dim": 3}
OPTIONS = {
    "nothing": {},
    "scale": {"scale": 0.7},
    "scale 0": {"scale": 0.0},
    "scale below 0": {"scale": -1.0},
    "softcap": {"softcap": 1.5},
    "bias": {"bias": biases.noise(0, 2.0, "bhij")},
    "bias broadcast over batch and queries": {"bias": biases.noise(0, 2.0, "hj")},
    "bias broadcast over heads and keys": {"bias": biases.noise(1, 2.0, "bi")},
    "bias with -inf": {"bias": biases.total(biases.noise(0, 2.0, "ij"), biases.minus_infinity(masks.causal()))},
    "bias with rows of -inf": {"bias": biases.minus_infinity(masks.hidden_query(1))},
    "mask": {"mask": masks.random(1, 0.5, "bhij")},
    "empty rows": {"mask": masks.hidden_query(1) & masks.key_padding((0, 3))},
    "causal": {"is_causal": True},
    "window": {"window": (1, 1)},
    "past": {"is_causal": True, "past": 1},
    "lengths": {"query_lengths": (2, 0), "key_lengths": (4, 2)},
    "sinks": {"sinks": 0.5},
    "sinks and an empty row": {"sinks": 0.5, "mask": masks.hidden_query(0)},
    "one head": {"query_heads": 1, "key_heads": 1},
    "a group of three": {"query_heads": 3, "key_heads": 1},
    "all together": {
        "mask": masks.hidden_key(0), "bias": biases.noise(3, 1.0, "hj"), "is_causal": True, "window": (2, None),
        "scale": 1.3, "softcap": 4.0, "sinks": -1.0, "key_lengths": (4, 3),
    },
}  # fmt: skip
DIGITS = 60
STEP = Decimal(10) ** -20


def asked(options, recipe="normal", dtype="float64", **sizes):
    x = realise(Case(Problem(**SIZES | options | sizes, dtype=dtype), recipe, seed=5))
    return x, np.random.default_rng(9).standard_normal(x.output_shape).astype(x.q.dtype)


def loss(x, dout, arrays):
    """sum(dout * attention) in decimal numbers, in plain loops; only where a key may be seen is taken from the inputs."""
    total, group = Decimal(0), x.q.shape[1] // x.k.shape[1]
    visible = x.visible()
    for b, h, i in product(*map(range, x.q.shape[:3])):
        powers = {}
        for j in range(x.k.shape[2]):
            if visible[b, h, i, j]:
                pairs = zip(arrays["q"][b, h, i], arrays["k"][b, h // group, j], strict=True)
                s = sum((one * other for one, other in pairs), Decimal(0))
                s *= Decimal(x.scale) if x.scale is not None else 1 / Decimal(x.q.shape[3] or 1).sqrt()
                if x.softcap is not None:
                    e = (2 * s / Decimal(x.softcap)).exp()
                    s = Decimal(x.softcap) * (e - 1) / (e + 1)
                powers[j] = (s + (np.broadcast_to(arrays["bias"], x.score_shape)[b, h, i, j] if "bias" in arrays else 0)).exp()
        sink = arrays["sinks"][h].exp() if "sinks" in arrays else Decimal(0)
        norm = sum(powers.values(), sink) or Decimal(1)
        for j, power in powers.items():
            pairs = zip(arrays["v"][b, h // group, j], dout[b, h, i], strict=True)
            total += power / norm * sum((value * Decimal(float(weight)) for value, weight in pairs), Decimal(0))
    return total


def difference(x, dout, arrays, name, index):
    """The central difference of one entry, exact to some forty digits: (f(+h) - f(-h)) / 2h with h = 1e-20."""
    ends = []
    for sign in (1, -1):
        moved = arrays[name].copy()
        moved[index] += sign * STEP
        ends.append(loss(x, dout, arrays | {name: moved}))
    return (ends[0] - ends[1]) / (2 * STEP)


def decimals(x):
    given = {name: getattr(x, name) for name in ("q", "k", "v", "bias", "sinks") if getattr(x, name) is not None}
    return {name: np.vectorize(lambda n: Decimal(float(n)), otypes=[object])(array) for name, array in given.items()}


def compare(x, dout, entries=4):
    """Some entries of each gradient are within the float64 bound of the difference."""
    exact, arrays = gradients(x, dout), decimals(x)
    limits = gradient_bounds(x, exact, Precision(*["float64"] * 6))
    rng = np.random.default_rng(1)
    with localcontext() as context:
        context.prec = DIGITS
        for name, got in exact.named().items():
            assert got.shape == getattr(x, name).shape
            cells = list(np.ndindex(got.shape))
            for index in [cells[n] for n in rng.permutation(len(cells))[:entries]]:
                if name == "bias" and np.isneginf(x.bias[index]):
                    assert got[index] == 0
                    continue
                wanted = difference(x, dout, arrays, name, index)
                assert abs(Decimal(float(got[index])) - wanted) <= Decimal(float(limits[name][index])), (name, index)


@pytest.mark.parametrize("option", OPTIONS)
def test_gradient_is_the_difference_of_outputs(option):
    compare(*asked(OPTIONS[option]))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_gradient_is_the_difference_of_outputs_on_rounded_inputs(dtype):
    compare(*asked(OPTIONS["all together"], "steep", dtype))


@settings(deadline=None, max_examples=25)
@given(
    sizes=st.fixed_dictionaries({name: st.integers(1, 3) for name in SIZES if "heads" not in name}),
    heads=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    chosen=st.lists(st.sampled_from(["scale", "softcap", "bias with -inf", "mask", "causal", "window", "sinks"]), unique=True),
    recipe=st.sampled_from(["normal", "steep", "ties", "signed_zeros"]),
)
def test_gradient_is_the_difference_for_any_options_together(sizes, heads, chosen, recipe):
    options = {name: value for option in chosen for name, value in OPTIONS[option].items()}
    compare(*asked(options, recipe, **sizes, query_heads=heads[0] * heads[1], key_heads=heads[1]), entries=1)


@pytest.mark.parametrize("name", SIZES)
def test_gradients_have_the_shapes_of_their_arguments_where_a_size_is_zero(name):
    heads = {"query_heads": 0, "key_heads": 0} if name.endswith("heads") else {name: 0}
    x, dout = asked({"sinks": 0.0}, **heads)
    exact = gradients(x, dout)
    limits = gradient_bounds(x, exact, named_precision("exact", "float64"))
    for argument, got in exact.named().items():
        assert got.shape == limits[argument].shape == getattr(x, argument).shape
        assert not np.isnan(limits[argument]).any()


def test_empty_rows_and_hidden_keys_give_and_get_nothing():
    x, dout = asked({"mask": masks.hidden_query(1) & masks.hidden_key(2)})
    exact = gradients(x, dout)
    assert not exact.dq[:, :, 1].any()
    assert not exact.dk[:, :, 2].any()
    assert not exact.dv[:, :, 2].any()


def test_what_stands_at_keys_that_nobody_sees_does_not_matter():
    x, dout = asked({"mask": masks.hidden_key(2)})
    k, v = x.k.copy(), x.v.copy()
    k[:, :, 2], v[:, :, 2] = np.nan, np.inf
    for one, other in zip(*(gradients(y, dout).named().values() for y in (x, x.replace(k=k, v=v))), strict=True):
        assert np.array_equal(one, other)


def test_bounds_are_finite_and_grow_with_the_roundoff():
    x, dout = asked(OPTIONS["all together"], dtype="bfloat16")
    exact, tight = gradients(x, dout), named_precision("exact", "bfloat16")
    before = None
    for model in (tight, replace(tight, weights="bfloat16"), replace(tight, weights="bfloat16", scores="bfloat16")):
        limits = gradient_bounds(x, exact, model)
        assert all(np.isfinite(bound).all() for bound in limits.values())
        assert before is None or all((limits[name] >= before[name]).all() for name in limits)
        before = limits

"""The oracle against a second one: plain Python loops over decimal numbers of forty digits, which share no code with it."""

from __future__ import annotations

from decimal import Decimal, localcontext
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attention_harness.generation import shapes, strategies
from attention_harness.generation.sampling import draw
from attention_specs import biases, masks
from attention_specs.attention.bounds import AttentionBounds
from attention_specs.attention.inputs import Inputs, realise
from attention_specs.attention.oracle import attention
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.formats import has_extended_precision
from attention_specs.precision import Precision, Units

MINUS_INFINITY = Decimal("-Infinity")


def exact(value):
    """A floating-point number of at most two float64 parts, as the decimal number that it is."""
    high = float(value)
    return Decimal(high) if np.isinf(high) else Decimal(high) + Decimal(float(value - type(value)(high)))


def sees(x, b, h, i, j):
    """Whether all options together let query i attend to key j."""
    left, right = x.window or (None, None)
    place = i + (x.past or 0)
    return (
        (x.mask is None or bool(np.broadcast_to(x.mask, x.score_shape)[b, h, i, j]))
        and (x.bias is None or np.broadcast_to(x.bias, x.score_shape)[b, h, i, j] != -np.inf)
        and (not x.is_causal or j <= place)
        and (left is None or j >= place - left)
        and (right is None or j <= place + right)
        and (x.query_lengths is None or i < x.query_lengths[b])
        and (x.key_lengths is None or j < x.key_lengths[b])
    )


def score(x, b, h, i, j):
    """Scale, softcap, bias."""
    group = x.q.shape[1] // x.k.shape[1]
    s = sum((exact(x.q[b, h, i, d]) * exact(x.k[b, h // group, j, d]) for d in range(x.q.shape[3])), Decimal(0))
    s *= Decimal(x.scale) if x.scale is not None else 1 / Decimal(x.q.shape[3] or 1).sqrt()
    if x.softcap is not None:
        cap = Decimal(x.softcap)
        e = (2 * s / cap).exp()
        s = cap * (e - 1) / (e + 1)
    return s if x.bias is None else s + exact(np.broadcast_to(x.bias, x.score_shape)[b, h, i, j])


def row(x, b, h, i):
    """Output, weights and log-sum-exp of one query."""
    keys, columns = range(x.k.shape[2]), range(x.v.shape[3])
    scores = {j: score(x, b, h, i, j) for j in keys if sees(x, b, h, i, j)}
    sink = [] if x.sinks is None else [exact(x.sinks[h])]
    top = max([*scores.values(), *sink], default=Decimal(0))  # exp of the lowest float32 is 0 even for decimals
    powers = {j: (s - top).exp() for j, s in scores.items()}
    total = sum([*powers.values(), *((s - top).exp() for s in sink)], Decimal(0))
    weights = [powers.get(j, Decimal(0)) / (total or 1) for j in keys]
    group = x.q.shape[1] // x.k.shape[1]
    out = [sum((weights[j] * exact(x.v[b, h // group, j, c]) for j in powers), Decimal(0)) for c in columns]
    return out, weights, total.ln() + top if total else MINUS_INFINITY, not powers


def swallowed(got):
    """Whether some score is so low that q . k vanishes beside it even in extended precision: a filler of -3e38."""
    return np.abs(got.scores[np.isfinite(got.scores)]).max(initial=0) > 2.0**63


def compare(x):
    """Every number of the oracle is within the float64 bound of the exact one; in extended precision, far within."""
    got = attention(x)
    limits = AttentionBounds(x, got, Units.from_precision(Precision(*["float64"] * 6)))
    share = Decimal(2) ** -6 if x.dtype == "float64" and has_extended_precision() and not swallowed(got) else 1

    def agree(name, cell, numbers):
        answers, allowed = getattr(got, name)[cell], getattr(limits, name)[cell]
        for number, one, limit in zip(numbers, np.ravel(answers), np.ravel(allowed), strict=True):
            assert exact(one) == number or abs(exact(one) - number) <= share * Decimal(limit), (name, cell, one, number)

    for cell in product(*map(range, x.q.shape[:3])):
        with localcontext() as context:
            context.prec = 40
            out, weights, lse, empty = row(x, *cell)
            assert got.empty[cell] == empty
            agree("out", cell, out)
            agree("weights", cell, weights)
            agree("lse", cell, [lse])


SIZES = {"batch": 2, "query_heads": 4, "key_heads": 2, "query_length": 3, "key_length": 5, "head_dim": 3, "value_dim": 2}
OPTIONS = {
    "nothing": {},
    "scale": {"scale": 0.7},
    "scale 0": {"scale": 0.0},
    "scale below 0": {"scale": -1.0},
    "softcap": {"softcap": 1.5},
    "bias": {"bias": biases.alibi()},
    "bias with -inf": {"bias": biases.total(biases.noise(0, 2.0, "bhij"), biases.minus_infinity(masks.causal()))},
    "mask": {"mask": masks.random(1, 0.5, "bhij")},
    "empty rows": {"mask": masks.hidden_query(1) & masks.key_padding((0, 3))},
    "causal": {"is_causal": True},
    "window": {"window": (1, 1)},
    "lengths": {"query_lengths": (2, 0), "key_lengths": (5, 2)},
    "a cache": {"past": 2, "is_causal": True},
    "a cache and a window": {"past": 3, "window": (1, 0)},
    "sinks": {"sinks": 0.5},
    "sinks and an empty row": {"sinks": 0.5, "mask": masks.hidden_query(0)},
    "one head": {"query_heads": 1, "key_heads": 1},
    "groups of three": {"query_heads": 6, "key_heads": 2},
    "all together": {
        "mask": masks.hidden_key(0), "bias": biases.noise(3, 1.0, "hj"), "is_causal": True, "window": (2, None),
        "scale": 1.3, "softcap": 4.0, "sinks": -1.0, "key_lengths": (5, 3),
    },
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("option", OPTIONS)
def test_oracle_is_the_definition(option, dtype):
    compare(realise(Case(Problem(**SIZES | OPTIONS[option], dtype=dtype))))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_oracle_is_the_definition_on_rounded_inputs(dtype):
    compare(realise(Case(Problem(**SIZES | OPTIONS["all together"], dtype=dtype), "steep")))


@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.parametrize("name", SIZES)
def test_oracle_is_the_definition_where_a_size_is_zero_or_one(name, size):
    heads = {"query_heads": size, "key_heads": size} if name.endswith("heads") else {name: size}
    lengths = {} if name == "batch" else {"key_lengths": (min(2, SIZES["key_length"]), 1)}
    x = realise(Case(Problem(**SIZES | heads, sinks=0.0, **lengths)))
    assert attention(x).out.shape == x.output_shape
    compare(x)


@settings(deadline=None, max_examples=60)
@given(
    sizes=st.fixed_dictionaries({name: st.integers(1, 3) for name in SIZES if "heads" not in name}),
    heads=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    chosen=st.lists(
        st.sampled_from(["scale", "softcap", "bias with -inf", "mask", "causal", "window", "sinks", "a cache"]), unique=True
    ),
    recipe=st.sampled_from(["normal", "steep", "ties", "huge_scores", "signed_zeros"]),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_oracle_is_the_definition_of_any_options_together(sizes, heads, chosen, recipe, dtype):
    options = {name: value for option in chosen for name, value in OPTIONS[option].items()}
    options |= {"past": min(options["past"], sizes["key_length"])} if "past" in options else {}
    problem = Problem(**sizes, query_heads=heads[0] * heads[1], key_heads=heads[1], dtype=dtype, **options)
    compare(realise(Case(problem, recipe)))


SMALL = [
    shapes.Shape(b, 2 * h, h, i, j, d, 2) for b in (1, 2) for h in (1, 2) for i in (1, 2, 3) for j in (1, 3, 4) for d in (1, 3)
]


@pytest.mark.conformance
def test_both_oracles_agree_on_thousands_of_problems_as_they_are_drawn():
    drawn = draw(strategies.balanced(SMALL, ("float32", "float64")), 2000, 0)
    assert len(drawn) == 2000
    for case in drawn:
        compare(realise(case))


def test_what_stands_at_keys_that_nobody_sees_does_not_matter():
    x = realise(Case(Problem(**SIZES, mask=masks.hidden_key(2))))
    k, v = x.k.copy(), x.v.copy()
    k[:, :, 2], v[:, :, 2] = np.nan, np.inf
    assert np.array_equal(attention(x).out, attention(x.replace(k=k, v=v)).out)


def test_known_answers():
    q, k, v = (np.array(a, float)[None, None] for a in ([[1.0]], [[0.0], [1.0]], [[10.0], [20.0]]))
    got = attention(Inputs(q, k, v, scale=float(np.log(3))))
    limits = AttentionBounds(Inputs(q, k, v, scale=float(np.log(3))), got, Units.from_precision(Precision(*["float64"] * 6)))
    assert abs(got.out.item() - 17.5) <= limits.out.item()
    assert abs(got.lse.item() - np.log(4)) <= limits.lse.item()

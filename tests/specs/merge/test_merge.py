"""The oracle of merging against decimals, and its bound against the forms in use, which it must hold, and against errors."""

from decimal import Decimal, localcontext

import numpy as np
import pytest

from attention_specs.case import Case
from attention_specs.contract import Conventions
from attention_specs.formats import DTYPES
from attention_specs.judge import error_ratios, within
from attention_specs.merge.bounds import Inherited, MergeBounds
from attention_specs.merge.inputs import ARRAYS, realise
from attention_specs.merge.oracle import merge
from attention_specs.merge.problem import MergeProblem
from attention_specs.merge.ranges import beyond
from attention_specs.merge.recipes import DRAWN
from attention_specs.merge.spec import call, expect
from attention_specs.precision import Units, named_precision


def by_decimals(x):
    """Output and natural lse once more, in forty digits."""
    with localcontext() as context:
        context.prec = 40
        unit = Decimal(2).ln() if x.lse_base == "2" else Decimal(1)
        out, lse = np.zeros(x.output_shape), np.full(x.lse, -np.inf)
        for row in np.ndindex(*x.lse):
            given = [(a[row], float(s[row])) for a, s in ((x.out_a, x.lse_a), (x.out_b, x.lse_b)) if s[row] > -np.inf]
            powers = [(unit * Decimal(s)).exp() for _, s in given]
            if powers:
                lse[row] = float(sum(powers).ln())
                for c in range(x.output_shape[3]):
                    out[row][c] = float(
                        sum(p * Decimal(float(a[c])) for p, (a, _) in zip(powers, given, strict=True)) / sum(powers)
                    )
    return out, lse


@pytest.mark.parametrize("base", ["e", "2"])
@pytest.mark.parametrize("recipe", DRAWN)
def test_the_oracle_agrees_with_decimals(recipe, base):
    x = realise(Case(MergeProblem(2, 2, 3, 2), recipe, 3)).replace(lse_base=base)
    exact, (out, lse) = merge(x), by_decimals(x)
    size = 1 + np.abs(np.where(np.isneginf(lse), 0, lse))
    assert within(exact.out, out, 1e-13 * np.abs(x.parts()[0].astype(np.float64)).sum(0) * size[..., None]).holds
    assert within(exact.lse, lse, 1e-15 * (4 + size)).holds


def by_maximum(x):
    top = np.maximum(x.lse_a, x.lse_b)
    p, q = (np.exp(s - top) for s in (x.lse_a, x.lse_b))
    out = (p[..., None] * x.out_a.astype(p.dtype) + q[..., None] * x.out_b.astype(q.dtype)) / (p + q)[..., None]
    return out.astype(x.out_a.dtype), np.log(p + q) + top


def by_lse(x):
    lse = np.logaddexp(x.lse_a, x.lse_b)
    p, q = (np.exp(s - lse)[..., None] for s in (x.lse_a, x.lse_b))
    return (p * x.out_a.astype(p.dtype) + q * x.out_b.astype(q.dtype)).astype(x.out_a.dtype), lse


def by_distance(x):
    share = (1 / (1 + np.exp(x.lse_a - x.lse_b)))[..., None]
    a, b = (out.astype(share.dtype) for out in (x.out_a, x.out_b))
    return (a - share * (a - b)).astype(x.out_a.dtype), np.logaddexp(x.lse_a, x.lse_b)


def in_base_two(x):
    turned = np.log2(np.e).astype(x.lse_a.dtype)
    s, t = x.lse_a * turned, x.lse_b * turned
    top = np.maximum(s, t)
    p, q = np.exp2(s - top), np.exp2(t - top)
    out = (p[..., None] * x.out_a.astype(p.dtype) + q[..., None] * x.out_b.astype(q.dtype)) / (p + q)[..., None]
    return out.astype(x.out_a.dtype), (np.log2(p + q) + top) * np.log(2).astype(top.dtype)


FORMS = (by_maximum, by_lse, by_distance, in_base_two)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("recipe", [name for name in DRAWN if "empty" not in name])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_bound_holds_for_every_form_in_use(form, recipe, dtype):
    for seed in range(20):
        x = realise(Case(MergeProblem(2, 2, 9, 8, dtype), recipe, seed))
        expected = expect(x, Conventions(), None)
        with np.errstate(over="ignore"):
            out, lse = form(x)
        assert within(out, expected.out, expected.bounds.out, f"out {seed}").holds
        assert within(lse, expected.lse, expected.lse_bound, f"lse {seed}").holds


def test_the_bound_is_a_few_roundings_of_near_parts():
    x = realise(Case(MergeProblem(2, 2, 9, 8), "uniform"))
    expected = expect(x, Conventions(), None)
    assert 10 < (expected.bounds.out / np.abs(expected.out)).max() / 2**-24 < 120


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_in_sixteen_bits_are_beyond_it(dtype):
    x = realise(Case(MergeProblem(2, 2, 9, 8, dtype), "uniform"))
    exact = merge(x)
    rounded = exact.weights.astype(np.float16).astype(np.float64)
    out = (rounded[..., None] * exact.values).sum(3)
    assert error_ratios(out, exact.out, expect(x, Conventions(), None).bounds.out).max() > 5


def test_errors_that_parts_bring_are_carried_on():
    x = realise(Case(MergeProblem(1, 2, 5, 4), "normal"))
    u, exact = Units.from_precision(named_precision("exact", "float32")), merge(x)
    outs, lses = 0.01 * np.ones(exact.values.shape), 0.02 * np.ones(exact.weights.shape)
    bound = MergeBounds(x, exact, u, Inherited(outs, lses))
    signs = np.where(np.arange(4) % 2, 1, -1)
    moved = merge(
        x.replace(out_a=x.out_a + 0.01 * signs, lse_a=x.lse_a + 0.02, out_b=x.out_b + 0.01 * signs, lse_b=x.lse_b - 0.02)
    )
    assert within(moved.out, exact.out, bound.out).holds and within(moved.lse, exact.lse, bound.lse).holds
    assert not within(moved.out, exact.out, MergeBounds(x, exact, u).out).holds


def test_the_base_changes_the_meaning_and_not_the_numbers():
    x = realise(Case(MergeProblem(1, 1, 3, 2)))
    binary = x.under(Conventions(lse_base="2"))
    assert binary.lse_a is x.lse_a and x.under(Conventions()) is x
    expected = expect(x, Conventions(lse_base="2"), None)
    assert within(np.exp2(expected.lse), (np.exp2(x.lse_a) + np.exp2(x.lse_b)).astype(float), 2.0**-18).holds


@pytest.mark.parametrize(("rows", "wanted"), [("zeros", 0.0), ("nan", np.nan)])
def test_two_empty_parts_are_what_is_declared(rows, wanted):
    x = realise(Case(MergeProblem(3, 3, 9, 2), "empty_parts"))
    expected = expect(x, Conventions(empty_rows=rows), None)
    assert expected.exact.empty.any() and not expected.exact.empty.all()
    assert np.array_equal(expected.out[expected.exact.empty], np.full((expected.exact.empty.sum(), 2), wanted), equal_nan=True)
    assert expected.specified.all()
    assert not expect(x, Conventions(empty_rows="unspecified"), None).specified.all()


def test_a_call_has_its_four_arrays_in_order():
    asked = call(realise(Case(MergeProblem())))
    assert tuple(asked.arrays) == ARRAYS and asked.options == {}


def test_sums_in_float16_are_not_asked_beyond_their_range():
    x = realise(Case(MergeProblem(1, 1, 2, 2, "float16"), "huge_outputs"))
    assert beyond(x, named_precision("sums-rounded", "float16")) == ""
    far = x.replace(lse_a=x.lse_a + np.float32(4e4))
    assert beyond(far, named_precision("sums-rounded", "float16")) == "a log-sum-exp"


def test_a_case_is_json_in_both_directions():
    case = Case(MergeProblem(1, 2, 3, 4, "bfloat16"), "far_apart", 7, {"out_a": "backwards"})
    assert Case.from_json(case.to_json()) == case
    assert str(case) == "B=1 H=2 Lq=3 Dv=4 bfloat16 recipe=far_apart seed=7 out_a:backwards"

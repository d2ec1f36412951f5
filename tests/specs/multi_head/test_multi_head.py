"""The layer's oracle against a second one written in loops over decimals, and the bound against layers that round as it allows."""

from decimal import Decimal, localcontext

import numpy as np
import pytest

from attention_specs import masks
from attention_specs.case import Case
from attention_specs.contract import Conventions
from attention_specs.formats import numpy_dtype
from attention_specs.judge import error_ratios, within
from attention_specs.multi_head.bounds import LayerBounds
from attention_specs.multi_head.inputs import ARRAYS
from attention_specs.multi_head.oracle import join, layer, split
from attention_specs.multi_head.problem import LayerProblem
from attention_specs.multi_head.recipes import DRAWN as LAYER_DRAWN
from attention_specs.multi_head.spec import Unsupported, call, expect, lower, realise, restrict
from attention_specs.precision import Units, named_precision

SMALL = {
    "one of all": LayerProblem(1, 1, 1, 1, 1),
    "two heads": LayerProblem(2, 2, 3, 4, 6, mask=masks.random(1, 0.6, "bhij")),
    "three heads, causal": LayerProblem(1, 3, 4, 4, 3, mask=masks.causal(), self_attention=True),
    "empty row": LayerProblem(1, 2, 3, 2, 4, mask=masks.hidden_query(1)),
    "no keys": LayerProblem(1, 2, 2, 0, 4),
}


def decimals(a):
    return [decimals(part) for part in a] if a.ndim else Decimal(float(a))


def projected(rows, w, b):
    return [[sum((r * w[i][c] for i, r in enumerate(row)), b[c]) for c in range(len(b))] for row in rows]


def attended(query, keys, values, visible, scale):
    seen = [j for j, yes in enumerate(visible) if yes]
    powers = {j: (scale * sum((a * b for a, b in zip(query, keys[j], strict=True)), Decimal())).exp() for j in seen}
    total = sum(powers.values())
    return [sum((powers[j] * values[j][c] for j in seen), Decimal()) / (total or 1) for c in range(len(query))]


def by_loops(x):
    """The definition once more, in forty decimals, without code of the oracle."""
    w = {name: decimals(getattr(x, name).astype(float)) for name in ARRAYS[3:]}
    width, visible = x.query.shape[2] // x.heads, x.visible()
    with localcontext() as context:
        context.prec = 40
        scale, out = 1 / Decimal(width).sqrt(), []
        for b in range(x.query.shape[0]):
            q = projected(decimals(x.query[b].astype(float)), w["w_q"], w["b_q"])
            k = projected(decimals(x.key[b].astype(float)), w["w_k"], w["b_k"])
            v = projected(decimals(x.value[b].astype(float)), w["w_v"], w["b_v"])
            rows = []
            for i, row in enumerate(q):
                slices = [slice(h * width, (h + 1) * width) for h in range(x.heads)]
                rows.append(
                    [
                        number
                        for h, s in enumerate(slices)
                        for number in attended(row[s], [r[s] for r in k], [r[s] for r in v], visible[b, h, i], scale)
                    ]
                )
            out.append(projected(rows, w["w_o"], w["b_o"]))
    return np.array(out, dtype=float).reshape(x.output_shape)


@pytest.mark.parametrize("recipe", LAYER_DRAWN)
@pytest.mark.parametrize("problem", SMALL.values(), ids=SMALL)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_the_oracle_agrees_with_loops_over_decimals(problem, recipe, dtype):
    x = realise(Case(problem, recipe, seed=3).with_problem(dtype=dtype))
    exact = layer(x)
    assert within(
        exact.out, by_loops(x), LayerBounds(x, exact, Units.from_precision(named_precision("exact", "float64"))).out
    ).holds


def rounded_layer(x, stored, rng):
    """All sums in float32; every intermediate that the model stores, moved to the number above or below it at random."""

    def kept(a):
        up = np.where(rng.random(a.shape) < 0.5, np.inf, -np.inf)
        return (
            a.astype(stored).astype(np.float32)
            if rng.random() < 0.5
            else np.nextafter(a.astype(stored), up.astype(stored)).astype(np.float32)
        )

    f = {name: getattr(x, name).astype(np.float32) for name in ARRAYS}
    q, k, v = (
        split(kept(f[a] @ f[w] + f[b]), x.heads)
        for a, w, b in (("query", "w_q", "b_q"), ("key", "w_k", "b_k"), ("value", "w_v", "b_v"))
    )
    scores = np.where(x.visible(), kept(q @ k.swapaxes(-1, -2) / np.sqrt(np.float32(q.shape[-1]))), -np.inf)
    top = scores.max(-1, keepdims=True, initial=-np.inf)
    powers = np.exp(scores - np.where(np.isneginf(top), 0, top))
    total = powers.sum(-1, keepdims=True)
    weights = (powers / np.where(total == 0, 1, total)).astype(stored).astype(np.float32)
    return (kept(join(kept(weights @ v))) @ f["w_o"] + f["b_o"]).astype(x.query.dtype)


@pytest.mark.parametrize("recipe", LAYER_DRAWN)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_the_bound_holds_for_what_stores_everything_in_sixteen_bits(recipe, dtype):
    rng = np.random.default_rng(0)
    for seed in range(5):
        x = realise(Case(LayerProblem(2, 2, 5, 7, 16, dtype, masks.random(seed, 0.7, "bij")), recipe, seed))
        expected = expect(x, Conventions(), "scores-rounded")
        assert within(rounded_layer(x, numpy_dtype(dtype), rng), expected.out, expected.bounds.out).holds


def test_the_exact_model_rejects_what_stores_everything_in_sixteen_bits():
    x = realise(Case(LayerProblem(2, 2, 5, 7, 16, "bfloat16"), "normal", 0))
    expected = expect(x, Conventions(), "exact")
    got = rounded_layer(x, numpy_dtype("bfloat16"), np.random.default_rng(0))
    assert not within(got, expected.out, expected.bounds.out).holds


@pytest.mark.parametrize("convention", ["zeros", "nan", "uniform"])
def test_empty_rows_follow_the_convention_before_the_output_projection(convention):
    x = realise(Case(SMALL["empty row"], "normal", 1))
    expected = expect(x, Conventions(empty_rows=convention), None)
    mean = expect(x.replace(query=np.zeros_like(x.query), b_q=np.zeros_like(x.b_q), mask=None), Conventions(), None).out[:, 1]
    wanted = {"zeros": np.broadcast_to(x.b_o, mean.shape), "nan": np.full_like(mean, np.nan), "uniform": mean}[convention]
    assert within(wanted.astype(float), expected.out[:, 1], expected.bounds.out[:, 1]).holds
    assert np.isfinite(expected.out[:, [0, 2]]).all()


def test_d_model_is_a_multiple_of_heads():
    with pytest.raises(ValueError, match="d_model=10, but should be a multiple of heads=3"):
        LayerProblem(1, 3, 2, 2, 10)


def test_self_attention_has_one_length_and_one_array():
    with pytest.raises(ValueError, match="key_length=3, but should be query_length=2"):
        LayerProblem(1, 1, 2, 3, 4, self_attention=True)
    x = realise(Case(LayerProblem(1, 1, 2, 2, 4, self_attention=True), layouts={"query": "every_second"}))
    assert x.key is x.query is x.value and x.self_attention


def test_a_case_survives_json():
    case = Case(
        LayerProblem(2, 3, 4, 4, 12, "float16", masks.causal() & masks.hidden_key(1), True), "steep", 7, {"w_q": "backwards"}
    )
    assert Case.from_json(case.to_json()) == case and case.id == Case.from_json(case.to_json()).id
    assert str(case.problem) == "B=2 H=3 Lq=4 Lk=4 d=12 float16 mask=causal() & hidden_key(1) self_attention=True"


def test_the_same_case_gives_the_same_bits():
    case = Case(SMALL["two heads"], "normal", 5, {"query": "dims_first", "mask": "inside"})
    first, second = realise(case), realise(case)
    assert all(np.array_equal(getattr(first, name), getattr(second, name)) for name in (*ARRAYS, "mask"))


def test_an_implementation_without_masks_is_asked_without_or_not_at_all():
    problem = SMALL["empty row"]
    assert restrict(problem, ()).mask is None and restrict(problem, ("mask",)) is problem
    with pytest.raises(Unsupported, match="mask not in its signature"):
        lower(realise(Case(problem)), ())


def test_a_call_has_eleven_arrays_and_heads():
    asked = call(realise(Case(SMALL["two heads"])))
    assert tuple(asked.arrays) == ARRAYS and set(asked.options) == {"heads", "mask"}


def test_keys_that_nobody_sees_may_hold_anything():
    x = realise(Case(LayerProblem(1, 2, 3, 4, 4, mask=masks.hidden_key(2)), "normal", 1))
    key = x.key.copy()
    key[:, 2] = np.nan
    assert not error_ratios(layer(x.replace(key=key)).out, layer(x).out, 1.0).any()

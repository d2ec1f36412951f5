"""The layers: within the bound on drawn cases, by the path that they name; and the faults of torch that they declare."""

import importlib
from importlib.util import find_spec
from random import Random

import numpy as np
import pytest

from attention_harness import frameworks
from attention_harness.generation.layer_strategies import WIDEST, balanced, layer_shape_pool
from attention_harness.generation.sampling import draw
from attention_specs import masks
from attention_specs.case import Case
from attention_specs.contract import Conventions
from attention_specs.formats import DTYPES
from attention_specs.judge import within
from attention_specs.multi_head.problem import LayerProblem
from attention_specs.multi_head.spec import call, expect, realise

pytestmark = pytest.mark.filterwarnings(
    "ignore:The given NumPy array is not writable",
    "ignore:.*softmax over axis 3",  # one key: Keras takes it for a slip
)

NAMES = (
    "numpy_multi_head",
    "torch_linear_multi_head",
    "torch_nn_multi_head",
    "torch_nn_eval_multi_head",
    "jax_multi_head",
    "keras_torch_multi_head",
    "keras_torch_weights_multi_head",
)
FAST = Case(LayerProblem(2, 2, 4, 4, 8, mask=masks.random(1, 0.7, "bhij"), self_attention=True), seed=2)


def load(name):
    if not find_spec(name.partition("_")[0]):
        pytest.skip(f"{name.partition('_')[0]} is not here")
    return importlib.import_module(f"attention_implementations.{name.replace('_', '.', 1)}").multi_head


def ask(function, x, **more):
    verbs, asked = frameworks.load(function.framework), call(x)
    given = {n: verbs.from_numpy(a, "cpu") if isinstance(a, np.ndarray) else a for n, a in (asked.arrays | asked.options).items()}
    result = function(*(given[n] for n in asked.arrays), **{n: given[n] for n in asked.options}, **more)
    return tuple(map(verbs.to_numpy, result)) if isinstance(result, tuple) else verbs.to_numpy(result)


def right(function, x):
    """The expected answer, as the function declares it."""
    declared = Conventions.declared(getattr(function, "conventions", {}))
    precision = getattr(function, "precision", None)
    return expect(x, declared, precision.get(x.dtype) if isinstance(precision, dict) else precision)


def drawn(count, shapes):
    """Cases as a run draws them."""
    return draw(balanced(layer_shape_pool(Random(1), shapes), DTYPES), count, 1)


COMPILED = [pytest.param(name, marks=pytest.mark.slow) if name.startswith("jax") else name for name in NAMES]
"""JAX compiles anew for each shape."""


@pytest.mark.parametrize("name", COMPILED)
def test_answers_are_within_the_bound_and_inputs_as_before(name):
    function, answered = load(name), 0
    for case in drawn(120, 3 if name.startswith("jax") else 12):
        x, before = realise(case), realise(case)
        try:
            out = ask(function, x)
        except NotImplementedError:
            continue
        expected = right(function, x)
        if expected.empty_rows == "unspecified":
            continue
        assert out.dtype == x.query.dtype
        assert within(out, expected.out, expected.bounds.out).holds, str(case)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(call(x).arrays.values(), call(before).arrays.values(), strict=True))
        answered += 1
    assert answered


@pytest.mark.parametrize("name", ["numpy_multi_head", "jax_multi_head", "keras_torch_weights_multi_head"])
def test_returned_weights_are_those_of_each_head(name):
    function, x = load(name), realise(FAST)
    out, weights = ask(function, x, return_weights=True)
    expected = right(function, x)
    assert within(weights, expected.weights, expected.bounds.weights, "weights").holds
    assert within(out, expected.out, expected.bounds.out).holds


def test_evaluation_runs_the_fast_path():
    function = load("torch_nn_eval_multi_head")
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as seen:
        ask(function, realise(FAST))
    assert "aten::_native_multi_head_attention" in {event.key for event in seen.key_averages()}


def test_evaluation_refuses_what_would_leave_the_fast_path():
    function = load("torch_nn_eval_multi_head")
    with pytest.raises(NotImplementedError, match="self-attention"):
        ask(function, realise(Case(LayerProblem(1, 2, 3, 4, 8))))
    with pytest.raises(NotImplementedError, match="heads=3"):
        ask(function, realise(Case(LayerProblem(1, 3, 4, 4, 6, self_attention=True))))


@pytest.mark.parametrize(
    "mask, argument, shape",
    [
        (masks.key_padding((2, 3)), "key_padding_mask", (2, 4)),
        (masks.causal(), "attn_mask", (4, 4)),
        (masks.random(1, 0.5, "bhij"), "attn_mask", (4, 4, 4)),
    ],
)
def test_each_form_of_mask_goes_to_its_own_argument(mask, argument, shape):
    torch = pytest.importorskip("torch")
    from attention_implementations.torch._multi_head import masks as arguments

    given = arguments(torch.from_numpy(mask.dense(2, 2, 4, 4)), (2, 2, 4, 4))
    assert list(given) == [argument] and given[argument].shape == shape


def test_torch_still_gives_nan_for_empty_rows_on_the_fast_path_only():
    """Declared by torch-nn-eval-multi-head; training mode and the slow path give zeros (torch 2.13)."""
    x = realise(Case(LayerProblem(1, 2, 3, 3, 4, mask=masks.hidden_query(1), self_attention=True)))
    assert np.isnan(ask(load("torch_nn_eval_multi_head"), x)[:, 1]).all()
    assert np.array_equal(ask(load("torch_nn_multi_head"), x)[0, 1], x.b_o)


def test_torch_still_cannot_view_a_mask_of_no_keys():
    """Why torch-nn-multi-head refuses masks where there are no keys (torch 2.13)."""
    torch = pytest.importorskip("torch")
    module = torch.nn.MultiheadAttention(4, 2, batch_first=True)
    query, key = torch.zeros(1, 2, 4), torch.zeros(1, 0, 4)
    with pytest.raises(RuntimeError, match="cannot reshape"):
        module(query, key, key, attn_mask=torch.zeros(2, 2, 0, dtype=torch.bool), need_weights=False)


def test_shapes_are_drawn_from_the_seed_and_stay_narrow():
    pool = layer_shape_pool(Random(3), 200)
    assert pool == layer_shape_pool(Random(3), 200)
    assert all(heads * dim <= WIDEST for _, heads, _, _, dim in pool)
    assert any(0 in shape for shape in pool) and {heads for _, heads, *_ in pool} == {1, 2, 3, 4, 6}


def test_cases_have_all_kinds_of_masks_and_survive_json():
    cases = drawn(300, 20)
    assert {c.problem.mask.kind if c.problem.mask else "none" for c in cases} >= {
        "none", "everything", "random", "causal", "key_padding", "hidden_key", "hidden_query", "block",
    }  # fmt: skip
    assert any(c.problem.self_attention for c in cases) and any(c.layouts for c in cases)
    assert all(Case.from_json(c.to_json()) == c for c in cases)

"""The torch implementations: right, by the kernel that they name, and the faults of torch that they work around."""

import importlib

import numpy as np
import pytest

from attention_specs import biases, masks
from attention_specs.attention.inputs import realise
from attention_specs.attention.problem import Problem
from attention_specs.attention.spec import call, expect
from attention_specs.case import Case
from attention_specs.contract import Conventions
from attention_specs.formats import numpy_dtype
from attention_specs.judge import within
from attention_specs.layouts import LAYOUTS

torch = pytest.importorskip("torch")
from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402
from torch.nn.functional import scaled_dot_product_attention  # noqa: E402

from attention_harness.frameworks import torch_arrays  # noqa: E402
from attention_implementations.torch import _common as _torch  # noqa: E402
from attention_implementations.torch import _flex  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")

KERNELS = {
    "torch_sdpa_math": "aten::_scaled_dot_product_attention_math",
    "torch_sdpa_flash": "aten::_scaled_dot_product_flash_attention_for_cpu",
}

PROBLEMS = {
    "plain": Problem(2, 2, 2, 7, 9, 8, 8),
    "groups": Problem(2, 6, 2, 7, 9, 8, 8, is_causal=True),
    "mask of two axes, causal": Problem(1, 2, 1, 9, 7, 8, 8, mask=masks.random(1, 0.5, "ij"), is_causal=True),
    "mask, bias, empty rows": Problem(
        1, 2, 1, 9, 7, 8, 8, mask=masks.hidden_query(3), bias=biases.minus_infinity(masks.block(2, 5))
    ),
    "negative scale, causal": Problem(1, 1, 1, 5, 5, 8, 8, is_causal=True, scale=-1.0),
    "zero scale, causal": Problem(1, 1, 1, 5, 5, 8, 8, is_causal=True, scale=0.0),
    "no keys": Problem(1, 2, 1, 3, 0, 8, 8),
    "no queries": Problem(1, 2, 1, 0, 4, 8, 8),
}


def load(name):
    return importlib.import_module(f"attention_implementations.{name.replace('_', '.', 1)}").attention


def ask(attention, x, **extras):
    asked = call(x)
    given = {
        n: torch_arrays.from_numpy(a, "cpu") if isinstance(a, np.ndarray) else a
        for n, a in (asked.arrays | asked.options).items()
    }
    return attention(**given, **extras)


def judged(attention, x):
    right = expect(x, Conventions(), getattr(attention, "precision", {}).get(x.dtype))
    return within(torch_arrays.to_numpy(ask(attention, x)), right.out, right.bounds.out)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
@pytest.mark.parametrize("name", ["torch_eager", "torch_sdpa", "torch_flex", "torch_aot_eager", *KERNELS])
def test_it_is_within_the_bound_of_its_precision(name, problem, dtype):
    if name == "torch_flex" and not problem.query_length * problem.key_length:
        pytest.skip("flex_attention has no empty scores, and says so")
    verdict = judged(load(name), realise(Case(problem).with_problem(dtype=dtype)))
    assert verdict.holds, verdict.message


@pytest.mark.parametrize("layout", ["every_second", "dims_first", "repeated_heads", "one_off"])
@pytest.mark.parametrize("head_dim", [1, 8])
@pytest.mark.parametrize("name", KERNELS)
def test_the_kernel_takes_any_strides(name, head_dim, layout):
    problem = Problem(1, 2, 1, 8, 16, head_dim, head_dim, bias=biases.noise(1, 1.0, "ij"))
    verdict = judged(load(name), realise(Case(problem, layouts=dict.fromkeys("qkv", layout) | {"bias": layout})))
    assert verdict.holds, verdict.message


def test_eager_returns_weights_and_log_sum_exp():
    x = realise(Case(Problem(2, 4, 2, 5, 9, 8, 8, sinks=1.0, softcap=5.0, window=(3, 1), mask=masks.hidden_query(2))))
    right = expect(x, Conventions(), None)
    results = ask(load("torch_eager"), x, return_weights=True, return_lse=True)
    for name, got in zip(("out", "weights", "lse"), results, strict=True):
        verdict = within(torch_arrays.to_numpy(got), getattr(right, name), getattr(right.bounds, name), name)
        assert verdict.holds, verdict.message


@pytest.mark.parametrize("problem", [p for n, p in PROBLEMS.items() if not n.startswith("no ")], ids=str)
@pytest.mark.parametrize(("name", "kernel"), KERNELS.items())
def test_the_named_kernel_is_what_runs(name, kernel, problem):
    assert kernels_run(load(name), realise(Case(problem))) == {kernel}


def kernels_run(attention, x):
    """The kernels of KERNELS that a call ran."""
    return events(lambda: ask(attention, x)) & set(KERNELS.values())


def events(step):
    """Names of the operations that a call dispatches, as the profiler has them."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        step()
    return {event.name for event in profile.events()}


@pytest.mark.parametrize(("value_dim", "kernel"), [(8, KERNELS["torch_sdpa_flash"]), (5, KERNELS["torch_sdpa_math"])])
def test_by_default_torch_takes_flash_and_math_where_flash_has_no_such_values(value_dim, kernel):
    assert kernels_run(load("torch_sdpa"), realise(Case(Problem(1, 2, 1, 4, 6, 8, value_dim)))) == {kernel}


LAYER = {
    "torch_nn_multi_head": {"aten::scaled_dot_product_attention"},
    "torch_nn_eval_multi_head": {"aten::_native_multi_head_attention"},
    "torch_nn_weights_multi_head": set(),
}
"""Row -> the fused operations that it runs; bmm and softmax one after the other are none."""


@pytest.mark.parametrize(("name", "way"), LAYER.items())
def test_each_path_of_the_layer_is_the_one_that_its_row_names(name, way):
    x = torch.randn(1, 3, 4)
    weights = [torch.randn(4, 4) for _ in range(4)] + [torch.randn(4) for _ in range(4)]
    layer = importlib.import_module(f"attention_implementations.{name.replace('_', '.', 1)}").multi_head
    assert events(lambda: layer(x, x, x, *weights, heads=2)) & set.union(*LAYER.values()) == way


MODS = {
    "mask": ({"mask": torch.tensor([[True, False], [False, True]])}, lambda i, j: i == j),
    "lengths": ({"key_lengths": torch.tensor([1])}, lambda i, j: j < 1),
    "window": ({"window": (0, 1)}, lambda i, j: 0 <= j - i <= 1),
}


@pytest.mark.parametrize(("options", "rule"), MODS.values(), ids=MODS)
def test_options_become_a_mask_mod_of_the_places_that_they_show(options, rule):
    q = torch.zeros(1, 1, 2, 4)
    defaults = {"mask": None, "bias": None, "is_causal": False, "scale": None, "window": None, "softcap": None}
    given = defaults | {"query_lengths": None, "key_lengths": None} | options
    visible = _flex.arguments(q, q, **given)["block_mask"].mask_mod
    index = torch.tensor
    for i, j in np.ndindex(2, 2):
        assert bool(visible(index(0), index(0), index(i), index(j))) == rule(i, j)


def test_a_compiled_program_serves_a_second_length():
    attention, programs = load("torch_aot_eager"), []
    torch._dynamo.reset()
    for length in (5, 9, 17):
        attention(*(torch.randn(2, 2, length, 8) for _ in range(3)), is_causal=True)
        programs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert programs[0] == programs[-1]


def test_flash_refuses_values_of_another_dim():
    with pytest.raises(NotImplementedError, match="value_dim=5, but should be head_dim=8"):
        ask(load("torch_sdpa_flash"), realise(Case(Problem(1, 1, 1, 2, 2, 8, 5))))


@pytest.mark.parametrize("scale", [0.0, -1.0])
def test_torch_still_makes_nan_of_causal_rows_when_the_scale_is_not_positive(scale):
    """The fault of torch's flash kernel that `_torch.sdpa` works around; when this fails, the work-around can go."""
    ones = torch.ones(1, 1, 2, 1)
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        out = scaled_dot_product_attention(ones, ones, ones, is_causal=True, scale=scale)
    assert out.isnan().any()


@pytest.mark.parametrize("name", ["eager", "sdpa_flash", "sdpa_efficient", "sdpa_cudnn", "sdpa_math"])
def test_cuda_implementations_import_anywhere(name):
    attention = importlib.import_module(f"attention_implementations.torch.cuda.{name}").attention
    assert (attention.framework, attention.device) == ("torch", "cuda")


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "bool"])
@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_on_a_device_an_array_keeps_its_strides_and_its_place_within_a_load(layout, dtype):
    values = np.random.default_rng(0).standard_normal((2, 3, 5, 4))
    array = LAYOUTS[layout](values > 0 if dtype == "bool" else values.astype(numpy_dtype(dtype)))
    here, there = (torch_arrays.from_numpy(array, device) for device in ("cpu", "cpu:0"))  # "cpu:0" takes the way of a device
    assert torch.equal(here, there)
    assert there.stride() == here.stride()
    assert there.storage_offset() * there.element_size() % 16 == here.data_ptr() % 16


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_cuda_kernels_get_a_number_for_each_key_and_minus_infinity_alone_hides(dtype):
    q, k = torch.zeros(1, 2, 2, 8, dtype=dtype), torch.zeros(1, 2, 3, 8, dtype=dtype)
    column = _torch.whole(torch.tensor([[[[True], [False]]]]), q, k)
    assert column.tolist() == [[[[0.0] * 3, [-torch.inf] * 3]]]
    assert (column.dtype, column.stride()) == (dtype, (6, 6, 3, 1))
    low = _torch.whole(torch.tensor([[[[torch.finfo(dtype).min, -torch.inf, torch.nan]]]], dtype=dtype), q, k).double()
    assert low[..., 0] * 1.4427 > torch.finfo(torch.float32).min
    assert low[..., 1] == -torch.inf
    assert low[..., 2].isnan()


@pytest.mark.parametrize("strides", [(512, 64, 1, 1), (512, 64, 64, 1), (500, 50, 50, 1), (512, 64, 1, 8)])
def test_cuda_kernels_get_rows_that_start_on_multiples_of_a_load(strides):
    query = torch.empty(2000)[1:].as_strided((1, 8, 1, 64), strides)
    rows = _torch.aligned(query.normal_(), 4)
    assert torch.equal(rows, query)
    assert rows.data_ptr() % 16 == 0
    assert rows.stride() == (512, 64, 64, 1)


def test_the_gradient_of_a_bias_with_fewer_axes_is_summed_before_it_is_rounded():
    """Two halves of the rows all but cancel, so that the roundings of single rows would show."""
    torch.manual_seed(0)
    q, k, v, dout = (torch.randn(1, 1, n, 16, dtype=torch.float16) for n in (32, 31, 31, 32))
    q, dout = torch.cat([q, q], 2), torch.cat([dout, dout * -31 / 32], 2)
    bias = torch.zeros(1, 1, 1, 31, dtype=torch.float16, requires_grad=True)
    mask = torch.ones(1, 1, 64, 1, dtype=torch.bool)
    out = _torch.sdpa(SDPBackend.MATH, q, k, v, mask=mask, bias=bias, is_causal=False, scale=None)
    (gradient,) = torch.autograd.grad(out, bias, dout)
    exact = bias.detach().double().requires_grad_()
    (wanted,) = torch.autograd.grad(scaled_dot_product_attention(q.double(), k.double(), v.double(), exact), exact, dout.double())
    assert ((gradient - wanted).abs() <= wanted.abs() * 2.0**-11 + 64 * 2.0**-24).all()

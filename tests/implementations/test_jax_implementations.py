"""The JAX implementations: right, compiled once for many values, and the faults of jax.nn that are worked around."""

import inspect
import os
import subprocess
import sys

import numpy as np
import pytest

from attention_specs import biases, masks
from attention_specs.attention.inputs import realise
from attention_specs.attention.problem import Problem
from attention_specs.attention.spec import call, expect, expect_gradient, lower
from attention_specs.case import Case
from attention_specs.contract import LAYOUTS, Conventions
from attention_specs.judge import within

jax = pytest.importorskip("jax")
from jax.extend import core as extended  # noqa: E402

from attention_harness.frameworks import jax_arrays  # noqa: E402
from attention_implementations.jax import einsum as jax_einsum  # noqa: E402
from attention_implementations.jax import nn as jax_nn  # noqa: E402
from attention_implementations.jax import pallas as jax_pallas  # noqa: E402
from attention_implementations.jax import pallas_gpu, pallas_tpu_flash, pallas_tpu_splash  # noqa: E402
from attention_implementations.jax import ring as jax_ring  # noqa: E402
from attention_implementations.jax import vmap as jax_vmap  # noqa: E402

SIZES = (2, 4, 2, 5, 9, 8, 8)
PROBLEMS = {
    "plain": Problem(*SIZES),
    "causal": Problem(*SIZES, is_causal=True, scale=-0.5),
    "window": Problem(*SIZES, window=(3, None)),
    "mask": Problem(*SIZES, mask=masks.random(1, 0.5, "hij")),
    "own past hidden by bias": Problem(*SIZES, is_causal=True, bias=biases.minus_infinity(masks.prefix(1) | masks.block(3, 5))),
    "lengths and bias": Problem(*SIZES, key_lengths=(4, 9), bias=biases.noise(1, 1.0, "ij")),
}


def ask(attention, x, **extras):
    asked = call(lower(x, inspect.signature(attention).parameters))
    turned = {name: a.transpose(order(attention)) for name, a in asked.arrays.items()}
    given = {n: jax_arrays.from_numpy(a, "cpu") if isinstance(a, np.ndarray) else a for n, a in (turned | asked.options).items()}
    return attention(**given, **extras)


def order(attention):
    """The axes of arrays in its layout; the way back is the same."""
    return LAYOUTS[getattr(attention, "layout", "bhld")]


def judged(attention, x):
    right = expect(x, Conventions.declared(getattr(attention, "conventions", {})), attention.precision.get(x.dtype))
    return within(jax_arrays.to_numpy(ask(attention, x)).transpose(order(attention)), right.out, right.bounds.out)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
@pytest.mark.parametrize("module", [jax_einsum, jax_nn, jax_pallas, jax_vmap])
def test_it_is_within_the_bound_of_its_precision(module, problem, dtype):
    verdict = judged(module.attention, realise(Case(problem).with_problem(dtype=dtype)))
    assert verdict.holds, verdict.message


def test_einsum_returns_weights_and_log_sum_exp():
    x = realise(Case(Problem(*SIZES, sinks=1.0, softcap=5.0, mask=masks.hidden_query(2))))
    right = expect(x, Conventions(), None)
    for name, got in zip(
        ("out", "weights", "lse"), ask(jax_einsum.attention, x, return_weights=True, return_lse=True), strict=True
    ):
        verdict = within(jax_arrays.to_numpy(got), getattr(right, name), getattr(right.bounds, name), name)
        assert verdict.holds, verdict.message


def test_einsum_compiles_once_for_all_values_of_scale_softcap_and_window():
    q = jax.numpy.ones((1, 1, 3, 2))
    before = jax_einsum.attention._cache_size()
    for number in (1, 2, 3):
        jax_einsum.attention(q, q, q, scale=float(number), softcap=10.0 * number, window=(number, 0))
    assert jax_einsum.attention._cache_size() == before + 1


@pytest.mark.parametrize(("sizes", "message"), [((1, 1, 1, 2, 2, 8, 5), "value_dim=5"), ((1, 0, 0, 2, 2, 8, 8), "key_heads=0")])
def test_jax_nn_refuses_what_it_cannot_do(sizes, message):
    with pytest.raises(NotImplementedError, match=message):
        ask(jax_nn.attention, realise(Case(Problem(*sizes))))


def test_jax_still_sends_a_query_to_the_future_when_its_past_has_bias_minus_infinity():
    """The fault of jax.nn that `jax_nn` works around; when this fails, the work-around can go. Layout [B, L, H, D]."""
    q, v = jax.numpy.ones((1, 2, 1, 1)), jax.numpy.array([1.0, 2.0]).reshape(1, 2, 1, 1)
    bias = jax.numpy.array([-np.inf, 0.0]).reshape(1, 1, 1, 2)
    out = jax.nn.dot_product_attention(q, q, v, bias=bias, is_causal=True)
    assert out[0, 0, 0, 0] == v[0, 1, 0, 0]


def test_pallas_goes_through_several_tiles_in_both_directions():
    """45 queries and 70 keys are two and three tiles, the last of each in part; the maximum lies in the last one."""
    x = realise(Case(Problem(1, 4, 2, 45, 70, 8, 3, is_causal=True, softcap=4.0, bias=biases.noise(1, 1.0, "ij")), "rising"))
    right = expect(x, Conventions(), None)
    for name, got in zip(("out", "lse"), ask(jax_pallas.attention, x, return_lse=True), strict=True):
        verdict = within(jax_arrays.to_numpy(got), getattr(right, name), getattr(right.bounds, name), name)
        assert verdict.holds, verdict.message


GPU, TPU = (2, 2, 2, 32, 48, 16, 16), (1, 2, 2, 128, 256, 16, 16)
SHIPPED = {
    "mha": (pallas_gpu, Problem(*GPU, is_causal=True, scale=-0.5)),
    "mha, bfloat16": (pallas_gpu, Problem(*GPU, dtype="bfloat16")),
    "flash": (pallas_tpu_flash, Problem(*TPU, is_causal=True)),
    "flash, bias": (pallas_tpu_flash, Problem(*TPU, scale=1.0, bias=biases.noise(1, 1.0, "hj"))),
    "splash": (pallas_tpu_splash, Problem(1, 2, 1, *TPU[3:], is_causal=True, window=(100, None), softcap=5.0, sinks=1.0)),
    "splash, mask": (pallas_tpu_splash, Problem(2, 2, 1, 128, 128, 16, 8, mask=masks.random(1, 0.5, "bhij"), dtype="bfloat16")),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_kernel_is_within_the_bound(name):
    module, problem = SHIPPED[name]
    verdict = judged(module.attention, realise(Case(problem, "rising")))
    assert verdict.holds, verdict.message


@pytest.mark.slow
def test_the_shipped_backward_pass_is_that_of_einsum():
    x = realise(Case(Problem(1, 2, 2, 32, 32, 16, 16, is_causal=True)))
    q, k, v = (jax.numpy.asarray(a) for a in (x.q, x.k, x.v))
    dout = jax.numpy.ones((1, 2, 32, 16), q.dtype)
    turned = {name: a.swapaxes(1, 2) for name, a in zip("qkv", (q, k, v), strict=True)}
    got = pallas_gpu.backward(turned, {"is_causal": True}, "qkv", dout.swapaxes(1, 2))
    wanted = jax.vjp(lambda *a: jax_einsum.attention(*a, is_causal=True), q, k, v)[1](dout)
    bounds = expect_gradient(x, np.asarray(dout), Conventions(), None).bounds
    for name, right in zip("qkv", wanted, strict=True):
        verdict = within(np.asarray(got[name].swapaxes(1, 2)), np.asarray(right), 2 * bounds[name], f"d{name}")
        assert verdict.holds, verdict.message


@pytest.mark.parametrize(
    ("module", "problem", "message"),
    [
        (pallas_gpu, Problem(1, 1, 1, 32, 16, 16, 16, is_causal=True), "finding pallas-past-keys"),
        (pallas_tpu_flash, Problem(1, 1, 1, 128, 128, 16, 16, bias=biases.noise(1, 1.0, "j")), "finding pallas-scaled-bias"),
        (pallas_tpu_splash, Problem(1, 1, 1, 128, 128, 8, 8, dtype="bfloat16"), "should be a power of 2"),
        (
            pallas_tpu_splash,
            Problem(1, 1, 1, 128, 128, 16, 16, mask=masks.query_padding((0,))),
            "hides all keys from all queries",
        ),
    ],
)
def test_what_a_shipped_kernel_has_wrong_is_refused(module, problem, message):
    with pytest.raises(NotImplementedError, match=message):
        ask(module.attention, realise(Case(problem)))


def test_pallas_stores_no_scores():
    """The largest array of the program has the size of an input, not of the scores."""
    q = jax.numpy.ones((1, 1, 512, 4))
    shapes = [v.aval.shape for v in equations(jax.make_jaxpr(jax_pallas.attention)(q, q, q).jaxpr) if hasattr(v.aval, "shape")]
    assert max(np.prod(shape, dtype=int) for shape in shapes) < 512 * 512


def equations(program):
    """The variables of a program, and of those inside it."""
    for equation in program.eqns:
        yield from equation.outvars
        for inner in extended.jaxprs_in_params(equation.params):
            yield from equations(inner)


RING = """
import sys
import jax, numpy as np
from attention_implementations.jax import ring
from attention_implementations.jax.einsum import attention as whole
jax.config.update("jax_enable_x64", True)

rng, devices = np.random.default_rng(0), int(sys.argv[1])
roundoff = np.finfo(np.float64).eps

def close(got, wanted, what):
    got, wanted = np.asarray(got), np.asarray(wanted)
    error = np.abs(got - wanted)
    assert (error <= 200 * roundoff * (1 + np.abs(wanted).max(initial=0))).all(), (what, error.max())

for queries, keys in ((13, 29), (1, 5)):
    q, dout = rng.standard_normal((2, 2, 4, queries, 8))
    k, v = rng.standard_normal((2, 2, 2, keys, 8))
    mask, bias = rng.random((2, 1, queries, keys)) < 0.7, rng.standard_normal((queries, keys))
    mask[:, :, 0] = False
    for options in ({"is_causal": True}, {"mask": mask, "bias": bias, "scale": -0.3, "window": (9, 5), "softcap": 2.0}):
        got = ring.ring(devices)(q, k, v, **options, return_lse=True)
        for name, one, other in zip(("out", "lse"), got, whole(q, k, v, **options, return_lse=True)):
            seen = np.isfinite(np.asarray(other))
            assert np.array_equal(seen, np.isfinite(np.asarray(one)))
            close(np.where(seen, one, 0), np.where(seen, other, 0), (name, options))
        gradients = [jax.vjp(lambda *a: f(*a, **options), q, k, v)[1](jax.numpy.asarray(dout)) for f in (ring.ring(devices), whole)]
        for name, one, other in zip("qkv", *gradients):
            close(one, other, (name, options))
used = {device for shard in [ring.mesh(devices)] for device in shard.devices.flat}
assert len(used) == devices
text = ring.over.lower(devices, *(jax.numpy.ones((1, 1, 16, 4)),) * 3, None, None, None, None, None, False).compile().as_text()
assert "collective-permute" in text
"""


@pytest.mark.slow
@pytest.mark.parametrize("devices", [2, 4, 8])
def test_a_ring_agrees_with_one_device_forwards_and_backwards(devices):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run([sys.executable, "-c", RING, str(devices)], env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr


def test_a_ring_of_more_devices_than_there_are_is_refused():
    with pytest.raises(NotImplementedError, match="but should be at least 4096"):
        jax_ring.mesh(4096)

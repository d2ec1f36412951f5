"""Faults and refusals of the judged libraries, each with its smallest case: a test here fails on the day of a correction."""

from functools import partial

import numpy as np
import pytest


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def jax():
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    return jax


def test_torch_flash_refuses_a_last_axis_of_one_element_with_another_stride(torch):
    a = torch.empty_strided((1, 1, 2, 1), (4, 4, 2, 2)).fill_(1)
    with (
        torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.FLASH_ATTENTION),
        pytest.warns(UserWarning),
        pytest.raises(RuntimeError, match="No available kernel"),
    ):
        torch.nn.functional.scaled_dot_product_attention(a, a, a)


def layer(torch, training):
    torch.manual_seed(0)
    return torch.nn.MultiheadAttention(4, 2, batch_first=True).train(training)


def empty_row(torch):
    hidden = torch.zeros(3, 3, dtype=torch.bool)
    hidden[1] = True
    return hidden


@pytest.mark.parametrize(
    ("training", "need_weights", "other_key", "nan"),
    [(True, False, False, False), (True, True, False, True), (False, False, False, True), (False, False, True, False)],
    ids=["training", "training with weights", "fast path", "evaluation with another key object"],
)
def test_an_empty_row_of_a_torch_layer_depends_on_the_path(torch, training, need_weights, other_key, nan):
    x = torch.ones(1, 3, 4)
    key = x.clone() if other_key else x
    with torch.no_grad():
        out, _ = layer(torch, training)(x, key, key, attn_mask=empty_row(torch), need_weights=need_weights)
    assert bool(out[0, 1].isnan().all()) == nan
    assert not out[0, 0].isnan().any()


def refusal(jax, dtype):
    """The error of compiling the smallest attention in that dtype on a CPU."""
    a = jax.numpy.ones((1, 1, 1, 1), dtype)
    with pytest.raises(Exception, match="not supported|Unsupported|unsupported|ALG_DOT") as raised:
        jax.block_until_ready(jax.jit(jax.nn.dot_product_attention)(a, a, a))
    return str(raised.value)


@pytest.mark.parametrize(("dtype", "algorithm"), [("float16", "F16_F16_F32"), ("bfloat16", "BF16_BF16_F32")])
def test_jax_nn_refuses_small_16_bit_products_on_a_cpu(jax, dtype, algorithm):
    assert algorithm in refusal(jax, dtype)


def test_jax_nn_computes_the_softmax_of_float64_in_float32(jax):
    normal = partial(np.random.default_rng(0).standard_normal, (1, 4, 1, 8))
    q, k, v = normal(), normal(), normal()
    scores = q[0, :, 0] @ k[0, :, 0].T / np.sqrt(8)
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    wanted = powers / powers.sum(-1, keepdims=True) @ v[0, :, 0]
    error = np.abs(np.asarray(jax.nn.dot_product_attention(q, k, v))[0, :, 0] - wanted).max()
    assert np.finfo(np.float64).eps * 2**10 < error < np.finfo(np.float32).eps * 2**10


def test_torch_flash_swallows_nan_queries(torch):
    """pytorch#141128 was corrected for some inputs: with queries of NaN the output is still finite."""
    q, k = torch.full((1, 1, 2, 8), torch.nan), torch.ones(1, 1, 3, 8)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.FLASH_ATTENTION):
        out = torch.nn.functional.scaled_dot_product_attention(q, k, k)
    assert out.isfinite().all()


def test_torch_math_shows_nan_queries(torch):
    q, k = torch.full((1, 1, 2, 8), torch.nan), torch.ones(1, 1, 3, 8)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        out = torch.nn.functional.scaled_dot_product_attention(q, k, k)
    assert out.isnan().all()


def test_torch_flash_raises_for_a_mask_of_one_axis(torch):
    a = torch.ones(1, 1, 2, 8)
    with (
        torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.FLASH_ATTENTION),
        pytest.raises(IndexError),
    ):
        torch.nn.functional.scaled_dot_product_attention(a, a, a, attn_mask=torch.ones(2, dtype=torch.bool))


def test_torch_flash_reads_keys_that_are_not_there(torch):
    """pytorch#193728: the number of keys is taken from the values; two keys beside three values raise nothing."""
    q, k, v = torch.ones(1, 1, 1, 8), torch.ones(1, 1, 2, 8), torch.ones(1, 1, 3, 8)
    assert torch.nn.functional.scaled_dot_product_attention(q, k, v).shape == q.shape
    with (
        torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
        pytest.raises(RuntimeError),
    ):
        torch.nn.functional.scaled_dot_product_attention(q, k, v)


def test_the_exponential_of_the_flash_kernel_is_coarse_in_sixteen_bits(torch):
    """16 equal scores: the log-sum-exp is log 16, and comes 5.3e-5 too small; with 15 keys, or in float32, to a rounding."""
    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        pytest.skip("seen with AVX512 only")

    def roundoffs(dtype, keys):
        q, k = (torch.zeros(1, 1, n, 1, dtype=dtype) for n in (1, keys))
        lse = torch._scaled_dot_product_flash_attention_for_cpu(q, k, k, 0.0, False)[1]
        return abs(lse.item() - np.log(keys)) / 2.0**-24

    assert roundoffs(torch.float16, 15) < 4
    assert roundoffs(torch.float32, 16) < 4
    assert roundoffs(torch.float16, 16) > 500
    assert roundoffs(torch.bfloat16, 16) > 500

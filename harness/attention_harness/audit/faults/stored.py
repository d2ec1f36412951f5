"""Keys and values in eight bits that are read wrong: scales that are lost or belong elsewhere, and codes of another format (C23 to C25)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from attention_harness.audit.faults import Attention, fault
from attention_harness.audit.faults._parts import beside, given, lse_of, staged, value_product
from attention_harness.audit.faults._stored_parts import BLOCK, EXACT, attend, numbers, powers_of_eight_bits, read
from attention_implementations.numpy._common import working_dtype
from attention_specs.contract import declares

Array = np.ndarray


def stored_fault(
    family: str, link: str = "", format: str = "float8_e4m3fn", scales: str = "head", arrays: str = "kv", **more: Any
) -> Callable[[Attention], Attention]:
    """As `fault`, for a function whose arrays come in this format with such scales, and whose sums are in float32."""
    storage = {"format": format, "arrays": arrays, "scales": scales}

    def register(function: Attention) -> Attention:
        return fault(family, link)(declares(storage=storage, **{"precision": EXACT, **more})(function))

    return register


@stored_fault("C23")
def the_scale_of_keys_is_dropped(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Codes of keys are taken for numbers."""
    return attend(q, k, v, o, k_scale=None)


@stored_fault("C23")
def the_scale_of_values_is_dropped(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Codes of values are taken for numbers."""
    return attend(q, k, v, o, v_scale=None)


@stored_fault("C10")
def the_scale_of_the_first_head_is_that_of_all(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """One scale for the tensor."""
    first = {name: np.broadcast_to(o[name][:1], o[name].shape) for name in ("k_scale", "v_scale")}
    return attend(q, k, v, o, **first)


@stored_fault("C23")
def the_scale_of_keys_counts_twice(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Once as they are read, once in the scale of the scores."""
    return attend(q, k, v, o, k_scale=o["k_scale"] ** 2)


@stored_fault("C23")
def the_scale_of_values_divides(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The scale of quantising is taken for that of dequantising."""
    return attend(q, k, v, o, v_scale=1 / o["v_scale"])


@stored_fault("C23")
def the_scales_of_keys_and_values_are_exchanged(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Each is in the place of the other."""
    return attend(q, k, v, o, k_scale=o["v_scale"], v_scale=o["k_scale"])


@stored_fault("C25", format="float8_e5m2")
def codes_of_e5m2_are_read_as_e4m3(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The bytes are right, the type is not."""
    return attend(q, k.view(ml_dtypes.float8_e4m3fn), v.view(ml_dtypes.float8_e4m3fn), o)


@stored_fault("C25")
def codes_of_e4m3_are_read_as_fnuz(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The format of another vendor: half of each number, and NaN of -0."""
    return attend(q, k.view(ml_dtypes.float8_e4m3fnuz), v.view(ml_dtypes.float8_e4m3fnuz), o)


@stored_fault("C25", format="float8_e4m3fnuz")
def codes_of_fnuz_are_read_as_e4m3(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Twice each number."""
    return attend(q, k.view(ml_dtypes.float8_e4m3fn), v.view(ml_dtypes.float8_e4m3fn), o)


@stored_fault("C15")
def the_code_of_nan_is_read_as_a_number(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """All bits set is 480 to a table that knows no NaN."""
    k, v = (np.where(np.isnan(a.astype(np.float32)), np.float32(480), a.astype(np.float32)) for a in (k, v))
    return attend(q, k, v, o)


@stored_fault("C24")
def subnormal_codes_are_flushed(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Codes without a leading digit are read as 0."""
    k, v = (np.where(np.abs(a.astype(np.float32)) < 2.0**-6, np.float32(0), a.astype(np.float32)) for a in (k, v))
    return attend(q, k, v, o)


@stored_fault("C24")
def the_largest_codes_are_cut_at_256(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A table of half the range: larger codes saturate early."""
    k, v = (np.clip(a.astype(np.float32), -256, 256) for a in (k, v))
    return attend(q, k, v, o)


@stored_fault("C24")
def scaled_values_are_stored_in_eight_bits_again(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The scale of values is applied before the sum, and rounded to the format of the codes."""
    values = numbers(q, v, o["v_scale"])
    again = np.clip(values, -448, 448).astype(ml_dtypes.float8_e4m3fn).astype(values.dtype)
    return attend(q, k, again, o, v_scale=None)


@stored_fault("C24")
def scales_are_rounded_to_bfloat16(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Powers of two stay; other scales lose sixteen of their digits."""
    narrow = {name: o[name].astype(ml_dtypes.bfloat16).astype(np.float32) for name in ("k_scale", "v_scale")}
    return attend(q, k, v, o, **narrow)


@stored_fault("C24")
def scales_are_rounded_to_powers_of_two(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """As an exponent of eight bits holds them."""
    return attend(q, k, v, o, **{name: np.exp2(np.round(np.log2(o[name]))) for name in ("k_scale", "v_scale")})


@stored_fault("C10")
def scales_are_those_of_tiled_heads(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Query head h reads the scale of key head h % Hkv, and the codes of h // group."""
    heads, keys = q.shape[1], max(k.shape[1], 1)
    k, v = (np.repeat(a, heads // keys, axis=1) for a in (k, v))
    tiled = np.arange(heads) % keys
    return attend(q, k, v, o, k_scale=o["k_scale"][tiled], v_scale=o["v_scale"][tiled])


@stored_fault("C31", scales="token")
def scales_of_tokens_are_those_of_the_first_entry(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The batch axis of the scales is not moved along."""
    first = {name: np.broadcast_to(o[name][:1], o[name].shape) for name in ("k_scale", "v_scale")}
    return attend(q, k, v, o, **first)


@stored_fault("C13", scales="token")
def scales_of_tokens_are_those_of_the_token_before(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Off by one along the length."""
    return attend(q, k, v, o, k_scale=np.roll(o["k_scale"], 1, 2))


@stored_fault("C13", scales="block")
def blocks_of_scales_are_twice_as_long(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Token j reads the scale of block j // 32."""
    place = np.arange(v.shape[2]) // (2 * BLOCK)
    return attend(q, k, v, o, v_scale=o["v_scale"][:, :, place][..., None])


@stored_fault("C12", scales="block")
def the_last_block_has_the_scale_of_the_one_before(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Whole blocks alone are counted."""
    place = np.minimum(np.arange(k.shape[2]) // BLOCK, max(k.shape[2] // BLOCK - 1, 0))
    return attend(q, k, v, o, k_scale=o["k_scale"][:, :, place][..., None])


@stored_fault("C01")
def the_scale_of_keys_follows_the_softcap(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Scores of codes are capped, then scaled."""
    if not given(o, "softcap"):
        return attend(q, k, v, o)
    keys, values, rest = read(q, k, v, o, k_scale=None)
    scale = np.repeat(o["k_scale"], q.shape[1] // max(k.shape[1], 1))[:, None, None]
    return staged(q, keys, values, cap=lambda s, cap: cap * np.tanh(s / cap) * scale.astype(s.dtype), **rest)


@stored_fault("C17")
def the_lse_is_that_of_the_codes(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The output is scaled; the log-sum-exp was kept before."""
    result = attend(q, k, v, o)
    if not o.get("return_lse") or given(o, "sinks"):
        return result
    keys, values, rest = read(q, k, v, o, k_scale=None)
    return (*result[:-1], lse_of(q, keys, values, **rest).astype(result[-1].dtype))


@stored_fault("C25")
def the_output_is_in_float32(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """What the codes are turned into is taken for the dtype of the call."""
    return beside(attend(q, k, v, o), lambda out: out.astype(working_dtype(q.dtype)))


@stored_fault("C23", arrays="qkv", dtypes=("bfloat16",), precision={"bfloat16": "exact"})
def the_scale_of_queries_is_dropped(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Codes of queries are taken for numbers; all else is scaled."""
    return beside(attend(q.astype(np.float32), k, v, o), lambda out: out.astype(ml_dtypes.bfloat16))


@fault("C24")
@declares(dtypes=("bfloat16", "float16"), precision="weights-e4m3-scaled")
def weights_of_eight_bits_overflow(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Declared in e4m3 with a scale; the largest weight of a row is stored as 512, which is NaN: nothing saturates."""
    return staged(q, k, v, product=powers_of_eight_bits(ml_dtypes.float8_e4m3fn, 512.0, np.inf), **o)


@fault("C24")
@declares(dtypes=("bfloat16", "float16"), precision="weights-rounded")
def weights_are_stored_in_eight_bits(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Declared in 16 bits, and stored in e4m3 with a scale."""
    return staged(q, k, v, product=powers_of_eight_bits(ml_dtypes.float8_e4m3fn, 256.0, 448.0), **o)


@fault("C24")
@declares(dtypes=("bfloat16", "float16"), precision="weights-e4m3-scaled")
def weights_of_e4m3_are_those_of_e5m2(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Declared in e4m3, and stored in the format with half its digits."""
    return staged(q, k, v, product=powers_of_eight_bits(ml_dtypes.float8_e5m2, 256.0, 448.0), **o)


@fault("C24")
@declares(dtypes=("bfloat16", "float16"), precision="weights-e4m3-scaled")
def weights_of_eight_bits_have_no_scale(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Declared with a scale; the shares themselves are stored, and those below 2^-10 are lost."""

    def product(weights: Array, values: Array) -> Array:
        return value_product(weights.astype(ml_dtypes.float8_e4m3fn).astype(weights.dtype), values)

    return staged(q, k, v, product=product, **o)

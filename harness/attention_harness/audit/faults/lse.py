"""The returned log-sum-exp (C17)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, given

Array = np.ndarray


def _with_lse(q: Array, k: Array, v: Array, change: Any, **o: Any) -> Any:
    """Attention whose returned log-sum-exp is changed."""
    result = attention(q, k, v, **o)
    return (*result[:-1], change(result[-1])) if given(o, "return_lse") else result


def _scale(q: Array, o: dict[str, Any]) -> float:
    return float(o["scale"]) if o.get("scale") is not None else max(q.shape[-1], 1) ** -0.5


@fault("C17", "vllm-project/vllm#28840")
def lse_is_to_base_two(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """log2 of the sum, undeclared."""
    return _with_lse(q, k, v, lambda lse: lse / np.log(2).astype(lse.dtype), **o)


@fault("C17", "pytorch/pytorch#181645")
def lse_is_multiplied_by_log_two(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Turned to base e twice."""
    return _with_lse(q, k, v, lambda lse: lse * np.log(2).astype(lse.dtype), **o)


@fault("C17", "meta-pytorch/attention-gym#37")
def lse_is_zero_for_one_query(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The decode kernel does not write it."""
    return _with_lse(q, k, v, lambda lse: lse * 0 if q.shape[2] == 1 else lse, **o)


@fault("C17", "ROCm/aiter#3334")
def lse_is_that_of_centred_keys(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The mean key is taken off, which the weights do not notice."""
    if not k.shape[2]:
        return attention(q, k, v, **o)
    heads = np.repeat(k.astype(np.float64), q.shape[1] // max(k.shape[1], 1), 1).mean(2, keepdims=True)
    shift = _scale(q, o) * (q.astype(np.float64) @ heads.swapaxes(2, 3))[..., 0]
    return _with_lse(q, k, v, lambda lse: (lse - shift).astype(lse.dtype), **o)


@fault("C17")
def lse_of_an_empty_row_is_zero(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """0 where it should be -inf."""
    return _with_lse(q, k, v, lambda lse: np.where(np.isneginf(lse), 0, lse).astype(lse.dtype), **o)


@fault("C17")
def lse_of_an_empty_row_is_infinite(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """+inf where it should be -inf."""
    return _with_lse(
        q, k, v, np.abs if not k.shape[2] else lambda lse: np.where(np.isneginf(lse), np.inf, lse).astype(lse.dtype), **o
    )


@fault("C17")
def lse_leaves_out_the_sink(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The sink is in the denominator of the output alone."""
    if not given(o, "sinks", "return_lse"):
        return attention(q, k, v, **o)
    lse = attention(q, k, v, **o | {"sinks": None})[-1]
    return _with_lse(q, k, v, lambda _: lse, **o)


@fault("C17")
def lse_leaves_out_the_bias(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """It is computed before a finite bias is added."""
    if not given(o, "bias", "return_lse"):
        return attention(q, k, v, **o)
    hidden = np.where(np.isneginf(o["bias"]), o["bias"], o["bias"].dtype.type(0))
    lse = attention(q, k, v, **o | {"bias": hidden})[-1]
    return _with_lse(q, k, v, lambda _: lse, **o)


@fault("C17")
def lse_leaves_out_the_softcap(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """It is computed from scores before the cap."""
    if not given(o, "softcap", "return_lse"):
        return attention(q, k, v, **o)
    lse = attention(q, k, v, **o | {"softcap": None})[-1]
    return _with_lse(q, k, v, lambda _: lse, **o)


@fault("C17")
def lse_is_the_maximum(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The maximum is saved beside the sum, and it alone is returned for more than 16 keys."""
    if not given(o, "return_lse") or k.shape[2] <= 16:
        return attention(q, k, v, **o)
    from attention_harness.audit.faults._parts import staged

    kept: list[Array] = []
    staged(q, k, v, scores=lambda s: kept.append(s.max(-1)) or s, **o | {"return_lse": False, "return_weights": False})  # type: ignore[func-returns-value]
    return _with_lse(q, k, v, lambda _: kept[0], **o)


@fault("C17")
def lse_has_the_strides_of_length_and_heads(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """[B, L, H] in memory, called [B, H, L]."""
    return _with_lse(q, k, v, lambda lse: np.ascontiguousarray(lse.swapaxes(1, 2)).reshape(lse.shape), **o)


@fault("C17")
def lse_counts_the_padding(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Keys are padded to a multiple of 64, and each adds exp(-maximum) to the saved sum."""
    extra = -k.shape[2] % 64 if k.shape[2] > 64 else 0
    return _with_lse(q, k, v, lambda lse: np.where(np.isneginf(lse), lse, np.logaddexp(lse, -8 + np.log1p(extra) / 8 - 8)), **o)


@fault("C17", "tinygrad/tinygrad#2425")
def lse_of_a_masked_row_is_one_too_large(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """True is added to kept scores as 1: a shift that the weights do not notice."""
    return _with_lse(q, k, v, lambda lse: lse + lse.dtype.type(1) if given(o, "mask") else lse, **o)

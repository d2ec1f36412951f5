"""Dtypes of inputs, intermediates and outputs (C25)."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, beside, empty_rows, given

Array = np.ndarray


@fault("C25", "tinygrad/tinygrad#5100")
def sixteen_bits_come_back_in_thirty_two(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The output keeps the dtype of the accumulator."""
    return beside(attention(q, k, v, **o), lambda out: out.astype(np.float32) if out.dtype.itemsize == 2 else out)


@fault("C25")
def everything_comes_back_in_float32(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The default dtype, whatever came in."""
    return beside(attention(q, k, v, **o), lambda out: out.astype(np.float32))


@fault("C25", "jax-ml/jax#34114")
def the_filler_of_float64_overflows_in_float32(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A row of it is NaN, in float64 with a mask."""
    if q.dtype != np.float64 or not given(o, "mask"):
        return attention(q, k, v, **o)
    return beside(attention(q, k, v, **o), lambda out: np.where(empty_rows(q, k, v, **o), np.nan, out))


@fault("C25", "onnx/onnx#8340")
def a_half_bias_with_causality_raises(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The causal mask is always float32 and is not added to a bias of another dtype."""
    if given(o, "bias", "is_causal") and o["bias"].dtype != np.float32:
        raise TypeError("bias and causal mask have different dtypes")
    return attention(q, k, v, **o)


@fault("C25", "keras-team/keras#21558")
def a_bias_in_bfloat16_raises(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """No promotion before the addition."""
    if given(o, "bias") and o["bias"].dtype == ml_dtypes.bfloat16:
        raise TypeError("ufunc 'add' did not contain a loop with signature matching types")
    return attention(q, k, v, **o)


@fault("C25")
def bfloat16_is_read_as_float16(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The same 16 bits of the values, in the other format, in the kernel for softcaps."""
    if q.dtype != ml_dtypes.bfloat16 or not given(o, "softcap"):
        return attention(q, k, v, **o)
    return attention(q, k, np.ascontiguousarray(v).view(np.float16).astype(q.dtype), **o)


@fault("C25")
def float16_passes_through_bfloat16(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The output is rounded twice, and to fewer bits."""
    return beside(attention(q, k, v, **o), lambda out: out.astype(ml_dtypes.bfloat16).astype(out.dtype))


@fault("C25")
def float16_outputs_saturate_at_one_thousand(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A guard against overflow that is far too careful."""
    if q.dtype != np.float16:
        return attention(q, k, v, **o)
    return beside(attention(q, k, v, **o), lambda out: np.clip(out, np.float16(-1000), np.float16(1000)))


@fault("C25")
def the_lse_of_float64_is_float32(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Statistics are kept in float32."""
    result = attention(q, k, v, **o)
    return (*result[:-1], result[-1].astype(np.float32)) if given(o, "return_lse") else result


@fault("C25", "Dao-AILab/flash-attention#846")
def the_bias_is_rounded_to_half_precision(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Slopes of a half model, in float32 attention."""
    if not given(o, "bias") or q.dtype.itemsize < 4:
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"bias": np.clip(o["bias"], -6e4, 6e4).astype(np.float16).astype(q.dtype)})

"""Head dims and value dims that a kernel was not written for (C21, C22)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, beside

Array = np.ndarray


@fault("C21", "pytorch/pytorch#176767")
def the_output_has_the_dim_of_the_query(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """[B, Hq, Lq, D] is allocated."""
    d, dv = q.shape[3], v.shape[3]
    pad = np.zeros((*q.shape[:3], max(d - dv, 0)), q.dtype)
    return beside(attention(q, k, v, **o), lambda out: np.concatenate([out, pad], -1)[..., :d])


@fault("C21", "Dao-AILab/flash-attention@6d199aa2")
def value_columns_beyond_the_head_dim_are_zero(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The epilogue stores D columns."""
    return beside(attention(q, k, v, **o), lambda out: np.where(np.arange(v.shape[3]) < q.shape[3], out, 0).astype(out.dtype))


@fault("C21", "jax-ml/jax@c9a5799a2a")
def value_columns_behind_the_last_eight_are_zero(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Dv is cut to a multiple of 8, above 8."""
    whole = v.shape[3] // 8 * 8 if v.shape[3] > 8 else v.shape[3]
    return beside(attention(q, k, v, **o), lambda out: np.where(np.arange(v.shape[3]) < whole, out, 0).astype(out.dtype))


@fault("C21")
def the_last_value_column_of_an_odd_number_is_the_one_before(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Columns are stored in pairs."""
    n = v.shape[3]
    columns = np.where((np.arange(n) == n - 1) & (n % 2 == 1) & (n > 1), n - 2, np.arange(n))
    return beside(attention(q, k, v, **o), lambda out: out[..., columns])


@fault("C21")
def the_scale_is_that_of_the_value_dim(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """1/sqrt(Dv)."""
    return attention(q, k, v, **o | ({"scale": max(v.shape[3], 1) ** -0.5} if o.get("scale") is None else {}))


@fault("C21")
def one_value_column_is_squeezed(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Dv = 1 loses its axis."""
    return beside(attention(q, k, v, **o), lambda out: out[..., 0] if out.shape[-1] == 1 else out)


@fault("C21")
def value_rows_have_the_stride_of_the_keys(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Row j of V is read at j * D."""
    b, h, n, dv = v.shape
    if dv == k.shape[3] or not v.size:
        return attention(q, k, v, **o)
    index = np.arange(n)[:, None] * k.shape[3] + np.arange(dv)
    return attention(q, k, np.take(np.ascontiguousarray(v).reshape(b, h, -1), index, 2, mode="wrap"), **o)


@fault("C22", "triton-lang/triton#621")
def channels_beyond_sixty_four_are_ignored(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The head dim is written into the kernel; the scale is right."""
    scale = o.get("scale") if o.get("scale") is not None else max(q.shape[-1], 1) ** -0.5
    return attention(q[..., :64], k[..., :64], v, **o | {"scale": scale})


@fault("C22")
def channels_behind_the_last_eight_are_ignored(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """D is cut to a multiple of 8, above 8."""
    n = q.shape[3] // 8 * 8 if q.shape[3] > 8 else q.shape[3]
    scale = o.get("scale") if o.get("scale") is not None else max(q.shape[-1], 1) ** -0.5
    return attention(q[..., :n], k[..., :n], v, **o | {"scale": scale})


@fault("C22")
def the_last_of_many_channels_is_ignored(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """One channel beyond 128 is lost."""
    n = min(q.shape[3], 128) if q.shape[3] == 129 else q.shape[3]
    scale = o.get("scale") if o.get("scale") is not None else max(q.shape[-1], 1) ** -0.5
    return attention(q[..., :n], k[..., :n], v, **o | {"scale": scale})


@fault("C22", "vllm-project/vllm#4128")
def lanes_up_to_a_power_of_two_hold_garbage(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """D is rounded up, and the queries' lanes wrap around into the next row while those of the keys are ones."""
    d = q.shape[3]
    extra = (1 << max(d - 1, 0).bit_length()) - d
    scale = o.get("scale") if o.get("scale") is not None else max(d, 1) ** -0.5
    if not d or not extra or d < 16:
        return attention(q, k, v, **o)
    wide_q = np.concatenate([q, np.roll(q, -1, 2)[..., :extra]], -1)
    wide_k = np.concatenate([k, np.roll(k, -1, 2)[..., :extra]], -1)
    return attention(wide_q, wide_k, v, **o | {"scale": scale})


@fault("C22", "intel/ipex-llm#12619")
def the_scale_is_that_of_the_padded_dim(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """D is padded to a multiple of 32 before 1/sqrt(D) is taken."""
    padded = max(-(-q.shape[3] // 32) * 32, 1)
    return attention(q, k, v, **o | ({"scale": padded**-0.5} if o.get("scale") is None else {}))


@fault("C22", "vllm-project/vllm-ascend#1958")
def the_scale_is_that_of_the_padded_dim_between_sizes(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """64 < D < 128 is padded to 128, scale and all."""
    return attention(q, k, v, **o | ({"scale": 128**-0.5} if o.get("scale") is None and 64 < q.shape[3] < 128 else {}))


@fault("C22")
def one_channel_has_no_scale(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """D = 1 takes an outer product that forgets a given scale."""
    return attention(q, k, v, **o | ({"scale": 1.0} if q.shape[3] == 1 else {}))


@fault("C22")
def wide_heads_are_cut_in_half(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """D = 256 is done in two passes, of which the second overwrites the first in the last query."""
    if q.shape[3] < 256:
        return attention(q, k, v, **o)
    q = q.copy()
    q[:, :, -1, :128] = 0
    return attention(q, k, v, **o)

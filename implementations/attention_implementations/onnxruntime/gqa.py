"""ONNX Runtime's own operator `com.microsoft.GroupQueryAttention`, on the CPU: always causal, as decoders use it."""

from __future__ import annotations

import numpy as np

from attention_implementations.onnx import _model
from attention_implementations.onnxruntime._session import load, require_elements
from attention_specs.contract import declares


@declares(
    framework="numpy", dtypes=("float32", "float16"), precision={"float16": "exact"},
    conventions={
        "empty_rows": {"float32": "unspecified", "float16": "nan"},
        "batch_invariant": True,
    },
    domain=("is_causal == True", "key_length == query_length", "value_dim == head_dim", "head_dim % 8 == 0", "sizes >= 1"),
)  # fmt: skip
def attention(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, *, is_causal: bool = False, scale: float | None = None,
    softcap: float | None = None, bias: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """q [B, Hq, L, D], k [B, Hkv, L, D], v [B, Hkv, L, D] -> out [B, Hq, L, D]."""
    require_elements(q, k, v)
    if not is_causal:
        raise NotImplementedError("is_causal=False, but should be True")
    if np.isnan(q).any() or np.isnan(k).any():
        raise NotImplementedError("NaN in queries or keys, which some rows drop: finding onnxruntime-gqa-nan")
    if scale == 0:
        raise NotImplementedError("scale=0, but 0 stands for 1/sqrt(head_dim) here")
    batch, heads, length, _ = q.shape
    joined = _model.whole(None, bias, (length, length), q.dtype)
    table = None if joined is None else joined.reshape((1,) * (4 - joined.ndim) + joined.shape)
    side = {name: a.swapaxes(1, 2).reshape(batch, length, -1) for name, a in (("query", q), ("key", k), ("value", v))}
    none = {name: np.zeros((batch, k.shape[1], 0, k.shape[3]), q.dtype) for name in ("past_key", "past_value")}
    lengths = {"seqlens_k": np.full(batch, length - 1, np.int32), "total_sequence_length": np.array(length, np.int32)}
    feeds = {**side, **none, **lengths, "cos_cache": None, "sin_cache": None, "position_ids": None, "attention_bias": table}
    out = _model.run(
        load, "GroupQueryAttention", "com.microsoft", feeds, 3, num_heads=heads, kv_num_heads=k.shape[1],
        scale=q.shape[3] ** -0.5 if scale is None else float(scale), softcap=softcap and float(softcap),
    )  # fmt: skip
    return out.reshape(batch, length, heads, -1).swapaxes(1, 2)

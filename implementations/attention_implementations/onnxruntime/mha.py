"""ONNX Runtime's own operator `com.microsoft.MultiHeadAttention`, on the CPU: heads lie side by side in the last axis."""

from __future__ import annotations

import numpy as np

from attention_implementations.onnx import _model
from attention_implementations.onnxruntime._session import load, require_elements
from attention_specs.contract import declares


@declares(
    framework="numpy", dtypes=("float32", "float16"), precision={"float16": "exact"},
    conventions={"empty_rows": {"mask": "nan", "bias": "nan", "together": "unspecified"}, "batch_invariant": True},
    domain=("key_heads == query_heads", "sizes >= 1"),
)  # fmt: skip
def attention(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, *, mask: np.ndarray | None = None, bias: np.ndarray | None = None,
    is_causal: bool = False, scale: float | None = None,
) -> np.ndarray:  # fmt: skip
    """q [B, H, Lq, D], k [B, H, Lk, D], v [B, H, Lk, Dv] -> out [B, H, Lq, Dv]."""
    require_elements(q, k, v)
    if scale == 0:
        raise NotImplementedError("scale=0, but 0 stands for 1/sqrt(head_dim) here")
    if is_causal and q.shape[2] != k.shape[2]:
        sizes = f"query_length={q.shape[2]}, but should be key_length={k.shape[2]}"
        raise NotImplementedError(f"{sizes} where it is causal: finding onnxruntime-mha-causal")
    joined = _model.whole(mask, bias, (q.shape[2], k.shape[2]), q.dtype)
    if joined is not None and joined.dtype == bool:
        joined = np.where(joined, q.dtype.type(0), q.dtype.type(-np.inf))
    table = None if joined is None else joined.reshape((1,) * (4 - joined.ndim) + joined.shape)
    side = {name: a.swapaxes(1, 2).reshape(a.shape[0], a.shape[2], -1) for name, a in (("query", q), ("key", k), ("value", v))}
    feeds = {**side, "bias": None, "key_padding_mask": None, "attention_bias": table}
    scale = q.shape[3] ** -0.5 if scale is None else float(scale)
    heads = q.shape[1]
    out = _model.run(
        load, "MultiHeadAttention", "com.microsoft", feeds, 1, num_heads=heads, scale=scale, unidirectional=int(is_causal)
    )
    return out.reshape(q.shape[0], q.shape[2], heads, v.shape[3]).swapaxes(1, 2)

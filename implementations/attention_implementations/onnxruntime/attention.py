"""The operator `Attention` of ONNX in ONNX Runtime, on the CPU."""

from __future__ import annotations

import numpy as np

from attention_implementations.onnx import _model
from attention_implementations.onnxruntime._session import load, require_elements
from attention_specs.contract import declares


@declares(framework="numpy", dtypes=("float32", "float16"), conventions={"checks_shapes": True})
def attention(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, *, mask: np.ndarray | None = None, bias: np.ndarray | None = None,
    is_causal: bool = False, scale: float | None = None, softcap: float | None = None, past_k: np.ndarray | None = None,
    past_v: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv]."""
    require_elements(q, k, v)
    if is_causal and past_k is not None and q.shape[2] != k.shape[2]:
        sizes = f"query_length={q.shape[2]}, new keys={k.shape[2]}"
        raise NotImplementedError(f"{sizes}, but should be equal beside a cache that is causal: finding onnxruntime-causal-cache")
    return _model.attention(load, q, k, v, mask, bias, is_causal, scale, softcap, past_k, past_v)

"""The operator `Attention` in onnx's reference implementation, which is NumPy that follows the text of the specification."""

from __future__ import annotations

import numpy as np

from attention_implementations.onnx import _model
from attention_specs.contract import declares


@declares(
    framework="numpy",
    precision={"float64": "computed-in-float32", "bfloat16": "sums-rounded"},
    domain=("key_length >= 1",),
)
def attention(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, *, mask: np.ndarray | None = None, bias: np.ndarray | None = None,
    is_causal: bool = False, scale: float | None = None, softcap: float | None = None, past_k: np.ndarray | None = None,
    past_v: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv]."""
    return _model.attention(_model.load_reference, q, k, v, mask, bias, is_causal, scale, softcap, past_k, past_v)

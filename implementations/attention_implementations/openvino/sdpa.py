"""OpenVINO's operator ScaledDotProductAttention (opset 13), compiled for the CPU with float32 as its precision: 16 bits are something
else (finding openvino-f16).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import openvino
from openvino import opset13

from attention_implementations.onnx._model import whole
from attention_specs.contract import declares

CONFIG = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}


@cache
def compiled(mask: str, axes: int, is_causal: bool) -> Any:
    """The operator for a mask of this dtype and so many axes, "" for none."""
    arrays = [opset13.parameter([-1, -1, -1, -1], np.float32) for _ in "qkv"]
    table = [opset13.parameter([-1] * axes, np.dtype(mask))] if mask else []
    scale = opset13.parameter([], np.float32)
    node = opset13.scaled_dot_product_attention(*arrays, *(table or [None]), scale, causal=is_causal)
    return openvino.Core().compile_model(openvino.Model([node], [*arrays, *table, scale]), "CPU", CONFIG)


@declares(
    framework="numpy", dtypes=("float32",), domain=("key_heads == query_heads", "sizes >= 1"),
    conventions={"empty_rows": "nan", "batch_invariant": True, "thread_safe": False},
)  # fmt: skip
def attention(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, *, mask: np.ndarray | None = None, bias: np.ndarray | None = None,
    is_causal: bool = False, scale: float | None = None,
) -> np.ndarray:  # fmt: skip
    """q [B, H, Lq, D], k [B, H, Lk, D], v [B, H, Lk, Dv] -> out [B, H, Lq, Dv]."""
    seen = np.tri(q.shape[2], k.shape[2], dtype=bool) if is_causal and not (mask is None and bias is None) else None
    both = mask if seen is None else seen if mask is None else mask & seen
    table = whole(both, bias, (q.shape[2], k.shape[2]), q.dtype)
    model = compiled("" if table is None else table.dtype.name, 0 if table is None else table.ndim, is_causal and table is None)
    factor = np.array(q.shape[3] ** -0.5 if scale is None else scale, np.float32)
    given = [np.ascontiguousarray(a) for a in (q, k, v)] + ([] if table is None else [table])
    return np.array(model([*given, factor])[0])

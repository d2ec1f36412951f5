"""tinygrad's Tensor.scaled_dot_product_attention on a CPU, for which it compiles each new shape with clang (or the compiler $CC).

A single key has the weight 1 whatever its score is, NaN and -inf too: such calls are left out (finding tinygrad-one-key).
"""

from __future__ import annotations

import os
from shutil import which

import numpy as np

from attention_specs.contract import declares

os.environ["DEV"] = "CPU"
if not which(os.environ.get("CC", "clang")):
    raise ModuleNotFoundError("No compiler 'clang', with which tinygrad computes on a CPU")


@declares(
    framework="numpy",
    dtypes=("float32", "float64", "float16"),
    domain=("sizes >= 1", "key_length >= 2"),
    conventions={"empty_rows": "nan"},
)
def attention(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, *, mask: np.ndarray | None = None, bias: np.ndarray | None = None,
    is_causal: bool = False,
) -> np.ndarray:  # fmt: skip
    """q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv] -> out [B, Hq, Lq, Dv]."""
    from tinygrad import Tensor  # 0.4 s

    if sum(one is not None for one in (mask, bias)) + is_causal > 1:
        raise NotImplementedError("two of mask, bias and is_causal, but should be one")
    if k.shape[2] == 1:
        raise NotImplementedError("key_length=1, but should be at least 2: finding tinygrad-one-key")
    joined = mask if bias is None else bias.astype(q.dtype)
    query, key, value = (Tensor(np.ascontiguousarray(a)) for a in (q, k, v))
    hidden = None if joined is None else Tensor(np.ascontiguousarray(joined))
    grouped = q.shape[1] != k.shape[1]
    out: np.ndarray = query.scaled_dot_product_attention(key, value, hidden, is_causal=is_causal, enable_gqa=grouped).numpy()
    return out

"""Right attentions over numbers of eight bits: every format and every kind of scales, and weights that are stored in eight bits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np

from attention_harness.audit.faults import quiet
from attention_harness.audit.faults._parts import beside, identity, staged
from attention_harness.audit.faults.stored import EXACT, attend, numbers, powers_of_eight_bits, read
from attention_implementations.numpy._common import Result
from attention_specs.contract import declares

Array = np.ndarray
Function = Callable[..., object]
Attend = Callable[..., Any]


def _folded(q: Array, k: Array, v: Array, o: dict[str, Any]) -> Any:
    """Scores of codes times the scale of their head, and sums of codes of values times theirs: nothing is turned back before."""
    keys, values, rest = read(q, k, v, o, k_scale=None, v_scale=None)
    heads = q.shape[1] // max(k.shape[1], 1)
    by_key, by_value = (np.repeat(o[name], heads)[:, None, None] for name in ("k_scale", "v_scale"))

    def product(weights: Array, codes: Array) -> Array:
        seen = np.where((weights != 0).any(-2)[..., None], codes, 0)
        return weights @ seen * by_value.astype(weights.dtype)

    return staged(q, keys, values, raw=lambda s: s * by_key.astype(s.dtype), product=product, **rest)


def _queries_too(q: Array, k: Array, v: Array, o: dict[str, Any]) -> Any:
    """All three in eight bits, the output in bfloat16."""
    wide = numbers(q.astype(np.float32), q, o["q_scale"])
    return beside(attend(wide, k, v, o), lambda out: out.astype(ml_dtypes.bfloat16))


def _in_the_dtype(q: Array, k: Array, v: Array, o: dict[str, Any]) -> Any:
    """Keys and values are turned into the dtype of the queries first."""
    keys, values, rest = read(q, k, v, o)
    return staged(q, keys.astype(q.dtype), values.astype(q.dtype), **rest)


def _stored(format: str, scales: str, attention: Attend = attend, arrays: str = "kv", **more: Any) -> Function:
    """Attention over numbers that come so, with every option but a cache."""

    @declares(storage={"format": format, "arrays": arrays, "scales": scales}, **{"precision": EXACT, **more})
    def function(q: Array, k: Array, v: Array, **o: Any) -> Any:
        return attention(q, k, v, o)

    return quiet(function)


def _weights(kind: type, size: float, precision: str) -> Function:
    """Weights stored in eight bits, the largest of a row as `size`, or as it is where that is 0."""

    @declares(dtypes=("bfloat16", "float16"), precision=precision)
    def function(q: Array, k: Array, v: Array, **o: Any) -> Result:
        return staged(q, k, v, product=powers_of_eight_bits(kind, size, np.inf), raw=identity, **o)

    return quiet(function)


of_e4m3 = partial(_stored, "float8_e4m3fn")

STORED_CONTROLS: dict[str, Function] = {
    **{f"declared storage, scales by {scales}": of_e4m3(scales) for scales in ("tensor", "head", "token", "block")},
    "declared storage in e5m2": _stored("float8_e5m2", "token"),
    "declared storage in e4m3fnuz": _stored("float8_e4m3fnuz", "head"),
    "declared storage, scales folded in": of_e4m3("head", _folded),
    "declared storage of queries too": of_e4m3(
        "head", _queries_too, "qkv", dtypes=("bfloat16",), precision={"bfloat16": "exact"}
    ),
    "declared storage, turned into 16 bits": of_e4m3(
        "head", _in_the_dtype, precision="operands-rounded", dtypes=("bfloat16", "float16")
    ),
    "declared weights in e4m3, scaled": _weights(ml_dtypes.float8_e4m3fn, 256.0, "weights-e4m3-scaled"),
    "declared weights in e4m3": _weights(ml_dtypes.float8_e4m3fn, 1.0, "weights-e4m3"),
    "declared weights in e5m2": _weights(ml_dtypes.float8_e5m2, 1.0, "weights-e5m2"),
}
"""Judged by their declarations."""

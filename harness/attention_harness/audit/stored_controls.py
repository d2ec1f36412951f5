"""Right attentions over numbers of eight bits: every format and every kind of scales, and weights that are stored in eight bits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import ml_dtypes
import numpy as np

from attention_harness.audit.faults import quiet
from attention_harness.audit.faults._parts import staged
from attention_harness.audit.faults._stored_parts import EXACT, attend, folded, in_the_dtype, powers_of_eight_bits, queries_too
from attention_implementations.numpy._common import Result
from attention_specs.contract import declares

Array = np.ndarray
Function = Callable[..., object]


def _stored(format: str, scales: str, attention: Function = attend, arrays: str = "kv", **more: object) -> Function:
    """Attention over numbers that come so, with every option but a cache."""

    @declares(storage={"format": format, "arrays": arrays, "scales": scales}, **{"precision": EXACT, **more})
    def function(q: Array, k: Array, v: Array, **o: object) -> object:
        return attention(q, k, v, o)

    return quiet(function)


def _weights(kind: type, size: float, precision: str) -> Function:
    """Weights stored in eight bits, the largest of a row as `size`, or as it is where that is 0."""

    @declares(dtypes=("bfloat16", "float16"), precision=precision)
    def function(q: Array, k: Array, v: Array, **o: object) -> Result:
        return staged(q, k, v, product=powers_of_eight_bits(kind, size, np.inf), **o)  # type: ignore[arg-type]

    return quiet(function)


of_e4m3 = partial(_stored, "float8_e4m3fn")

STORED_CONTROLS: dict[str, Function] = {
    **{f"declared storage, scales by {scales}": of_e4m3(scales) for scales in ("tensor", "head", "token", "block")},
    "declared storage in e5m2": _stored("float8_e5m2", "token"),
    "declared storage in e4m3fnuz": _stored("float8_e4m3fnuz", "head"),
    "declared storage, scales folded in": of_e4m3("head", folded),
    "declared storage of queries too": of_e4m3("head", queries_too, "qkv", dtypes=("bfloat16",), precision={"bfloat16": "exact"}),
    "declared storage, turned into 16 bits": of_e4m3(
        "head", in_the_dtype, precision="operands-rounded", dtypes=("bfloat16", "float16")
    ),
    "declared weights in e4m3, scaled": _weights(ml_dtypes.float8_e4m3fn, 256.0, "weights-e4m3-scaled"),
    "declared weights in e4m3": _weights(ml_dtypes.float8_e4m3fn, 1.0, "weights-e4m3"),
    "declared weights in e5m2": _weights(ml_dtypes.float8_e5m2, 1.0, "weights-e5m2"),
}
"""Judged by their declarations."""

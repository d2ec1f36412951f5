"""Parts of faults and of controls whose keys and values come in eight bits: how codes and scales are read, and where scales go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes
import numpy as np

from attention_harness.audit.faults._parts import attention, beside, staged, value_product
from attention_implementations.numpy._common import working_dtype

Array = np.ndarray
BLOCK = 16
EXACT = {"bfloat16": "exact", "float16": "exact"}


def of_tokens(scale: Array, codes: Array) -> Array:
    """A scale for each token, broadcastable to [B, H, L, 1]."""
    if scale.ndim == 1:
        return scale.reshape(-1, 1, 1)
    return scale[..., None] if scale.shape[2] == codes.shape[2] else np.repeat(scale, BLOCK, 2)[:, :, : codes.shape[2], None]


def numbers(q: Array, codes: Array, scale: Any) -> Array:
    """What the codes stand for, in the working dtype of the queries."""
    return codes.astype(working_dtype(q.dtype)) * (scale if np.ndim(scale) == 4 else of_tokens(np.asarray(scale), codes))


def read(q: Array, k: Array, v: Array, o: Mapping[str, Any], **instead: Any) -> tuple[Array, Array, dict[str, Any]]:
    """Keys and values, and the other options; `instead`: other scales, or None for no scale."""
    rest = {name: value for name, value in o.items() if not name.endswith("_scale")}
    arrays = []
    for name, codes in (("k_scale", k), ("v_scale", v)):
        scale = instead.get(name, o[name])
        arrays.append(codes.astype(working_dtype(q.dtype)) if scale is None else numbers(q, codes, scale))
    return arrays[0], arrays[1], rest


def attend(q: Array, k: Array, v: Array, o: Mapping[str, Any], **instead: Any) -> Any:
    """Attention over the numbers that are read."""
    keys, values, rest = read(q, k, v, o, **instead)
    return attention(q, keys, values, **rest)


def powers_of_eight_bits(kind: type, size: float, most: float) -> Callable[[Array, Array], Array]:
    """A product of values with weights that are stored in eight bits, the largest of a row as `size`, at most `most`."""

    def product(weights: Array, values: Array) -> Array:
        top = weights.max(-1, keepdims=True, initial=0)
        factor = size / np.where(top == 0, 1, top)
        with np.errstate(all="ignore"):
            kept = np.minimum(weights * factor, most).astype(kind).astype(weights.dtype)
        return value_product(kept, values) / factor

    return product


def folded(q: Array, k: Array, v: Array, o: dict[str, Any]) -> Any:
    """Scores of codes times the scale of their head, and sums of codes of values times theirs: nothing is turned back before."""
    keys, values, rest = read(q, k, v, o, k_scale=None, v_scale=None)
    heads = q.shape[1] // max(k.shape[1], 1)
    by_key, by_value = (np.repeat(o[name], heads)[:, None, None] for name in ("k_scale", "v_scale"))

    def product(weights: Array, codes: Array) -> Array:
        seen = np.where((weights != 0).any(-2)[..., None], codes, 0)
        return weights @ seen * by_value.astype(weights.dtype)

    return staged(q, keys, values, raw=lambda s: s * by_key.astype(s.dtype), product=product, **rest)


def queries_too(q: Array, k: Array, v: Array, o: dict[str, Any]) -> Any:
    """All three in eight bits, the output in bfloat16."""
    wide = numbers(q.astype(np.float32), q, o["q_scale"])
    return beside(attend(wide, k, v, o), lambda out: out.astype(ml_dtypes.bfloat16))


def in_the_dtype(q: Array, k: Array, v: Array, o: dict[str, Any]) -> Any:
    """Keys and values are turned into the dtype of the queries first."""
    keys, values, rest = read(q, k, v, o)
    return staged(q, keys.astype(q.dtype), values.astype(q.dtype), **rest)

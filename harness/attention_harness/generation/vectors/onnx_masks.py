"""The options of ONNX's operator Attention that hide keys, in the words of our spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

import numpy as np

from attention_specs.attention.problem import Window


class Hiding(TypedDict, total=False):
    """The options of a problem that hide keys."""

    is_causal: bool
    window: Window | None
    key_lengths: tuple[int, ...]


def masking(
    attributes: Mapping[str, float], inputs: dict[str, np.ndarray], queries: int, keys: int
) -> tuple[Hiding, dict[str, np.ndarray]]:
    """Options of the problem, and the arrays `mask` and `bias`."""
    arrays = _given(inputs["attn_mask"], keys) if "attn_mask" in inputs else {}
    causal, sides = bool(attributes.get("is_causal", 0)), _window(attributes)
    if "nonpad_kv_seqlen" not in inputs:
        return Hiding(is_causal=causal, window=sides), arrays
    lengths = inputs["nonpad_kv_seqlen"].reshape(-1)
    options = Hiding(key_lengths=tuple(lengths.tolist()))
    if causal or sides:
        seen = visible_from_the_end(lengths, causal, sides or (None, None), queries, keys)
        arrays["mask"] = seen & arrays["mask"] if "mask" in arrays else seen
    return options, arrays


def _window(attributes: Mapping[str, float]) -> Window | None:
    """-1 leaves a side open."""
    left, right = (int(attributes.get(f"{side}_window_size", -1)) for side in ("left", "right"))
    return (left if left >= 0 else None, right if right >= 0 else None) if max(left, right) >= 0 else None


def _given(mask: np.ndarray, keys: int) -> dict[str, np.ndarray]:
    """A bool array is a mask, any other a bias, of four axes; keys beyond its end are hidden."""
    mask = mask.reshape((1,) * (4 - mask.ndim) + mask.shape)
    hides, name = (False, "mask") if mask.dtype == bool else (-np.inf, "bias")
    return {name: np.pad(mask, [(0, 0)] * 3 + [(0, keys - mask.shape[-1])], constant_values=hides)}


def visible_from_the_end(lengths: np.ndarray, causal: bool, window: Window, queries: int, keys: int) -> np.ndarray:
    """Bool [B, 1, Lq, Lk] for a cache that is kept outside: the last query stands at the last valid key of its batch entry.

    For this our options have no word: their queries count from the first key, or stand behind one past for all entries.
    """
    ahead = np.arange(keys) - np.arange(queries)[:, None] - (lengths - queries)[:, None, None, None]
    left, right = window
    seen = np.ones(ahead.shape, bool)
    seen &= ahead <= 0 if causal else seen
    seen &= ahead >= -left if left is not None else seen
    seen &= ahead <= right if right is not None else seen
    return seen

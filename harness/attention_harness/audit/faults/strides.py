"""Memory that is read without its strides (C19, C20, C34)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, given

Array = np.ndarray


def _buffer(a: Array) -> Array:
    """The stretch of memory that an array spans, as numbers of its dtype, from its lowest address on."""
    low, high = byte_bounds(a)
    root = a
    while isinstance(root.base, np.ndarray):
        root = root.base
    start = low - byte_bounds(root)[0]
    memory = np.lib.stride_tricks.as_strided(
        root.view(np.uint8).reshape(-1) if root.flags.c_contiguous else np.empty(0, np.uint8)
    )
    return memory[start : start + (high - low) // a.itemsize * a.itemsize].view(a.dtype)


def _as_if_dense(a: Array) -> Array:
    """The array as someone reads it who ignores its strides."""
    if a.flags.c_contiguous or not a.size:
        return a
    memory = _buffer(a)
    return np.resize(memory, a.shape) if memory.size else a


def _strides(a: Array, change: Any) -> Array:
    """The array read with other strides, inside the memory that it has."""
    if not a.size:
        return a
    memory, steps = _buffer(a), [change(n, s) for n, s in enumerate(a.strides)]
    if not memory.size:
        return a
    first = sum(-s // a.itemsize * (n - 1) for s, n in zip(a.strides, a.shape, strict=True) if s < 0)
    index = first + sum(np.ix_(*(np.arange(n) for n in a.shape))[axis] * (s // a.itemsize) for axis, s in enumerate(steps))
    return np.take(memory, index, mode="clip")


@fault("C19", "pytorch/pytorch#112577")
def all_inputs_are_read_as_if_dense(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Pointers without strides."""
    return attention(*(_as_if_dense(a) for a in (q, k, v)), **o)


@fault("C19")
def values_are_read_as_if_dense(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Only the values are read without strides."""
    return attention(q, k, _as_if_dense(v), **o)


@fault("C19")
def the_mask_is_read_as_if_dense(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The strides of the mask are those of a fresh array."""
    return attention(q, k, v, **o | ({"mask": _as_if_dense(o["mask"])} if given(o, "mask") else {}))


@fault("C19")
def the_bias_is_read_as_if_dense(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The strides of the bias are those of a fresh array."""
    return attention(q, k, v, **o | ({"bias": _as_if_dense(o["bias"])} if given(o, "bias") else {}))


@fault("C19", "pytorch/pytorch#187503")
def the_innermost_stride_is_one(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """All strides are used but the last, which is taken to be 1."""
    return attention(*(_strides(a, lambda n, s: s if n < 3 else a.itemsize) for a in (q, k, v)), **o)  # noqa: B023


@fault("C19", "pytorch/pytorch#181133")
def permuted_heads_are_read_in_place(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Keys of [B, L, H, D] in memory are read as [B, H, L, D], for D of 64 and more."""
    return attention(q, _as_if_dense(k) if k.shape[3] >= 64 else k, v, **o)


@fault("C19", "ml-explore/mlx#2152")
def the_batch_stride_is_that_of_dense_keys(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """In a batch, with few queries, the offset of an entry is computed from the shape."""
    dense = int(np.prod(k.shape[1:])) * k.itemsize
    wrong = k.shape[0] > 1 and q.shape[2] <= 8 and not k.flags.c_contiguous
    return attention(q, _strides(k, lambda n, s: dense if n == 0 else s) if wrong else k, v, **o)


@fault("C19")
def negative_strides_are_read_forwards(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The sign of a stride is lost."""
    return attention(q, *(a[:, :, ::-1] if a.strides[2] < 0 else a for a in (k, v)), **o)


@fault("C19")
def unaligned_arrays_are_read_from_the_boundary(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A vector load rounds the address of the values down to 16 bytes."""
    off = v.__array_interface__["data"][0] % 16 // v.itemsize if v.size and v.flags.c_contiguous else 0
    return attention(q, k, np.roll(v.reshape(-1), off).reshape(v.shape) if off else v, **o)


@fault("C20", "Dao-AILab/flash-attention#2189")
def repeated_arrays_are_read_from_their_base(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Keys and values of stride 0 are taken for dense ones, and what lies behind wraps around."""
    return attention(q, *(_as_if_dense(a) if 0 in a.strides else a for a in (k, v)), **o)


@fault("C20", "pytorch/pytorch#191937")
def the_last_key_of_repeated_keys_is_lost(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """With stride 0, one key beyond a multiple of 32 is dropped."""
    n = k.shape[2]
    lost = 0 in k.strides and n % 32 == 1 and n > 1
    seen = ~((np.arange(n) == n - 1) & lost)
    return attention(q, k, v, **o | {"mask": seen[None, None, None] if o.get("mask") is None else o["mask"] & seen})


@fault("C20")
def a_mask_of_stride_zero_is_read_once(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """An expanded mask serves batch entry 0, the others go without."""
    if not given(o, "mask") or o["mask"].ndim < 4 or 0 not in o["mask"].strides or o["mask"].shape[0] < 2:
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"mask": o["mask"] | (np.arange(q.shape[0]) > 0)[:, None, None, None]})


@fault("C34", "ml-explore/mlx#3121")
def the_query_is_scaled_in_place(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The buffer of q is used for scale * q."""
    result = attention(q, k, v, **o)
    if q.flags.writeable:
        q *= q.dtype.type(0.5)
    return result


@fault("C34")
def the_mask_is_written_to(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Causality is joined with the mask in place."""
    result = attention(q, k, v, **o)
    if given(o, "mask", "is_causal") and o["mask"].flags.writeable and o["mask"].shape[-2:] == (q.shape[2], k.shape[2]):
        o["mask"] &= np.tril(np.ones((q.shape[2], k.shape[2]), bool))
    return result


@fault("C34")
def read_only_inputs_raise(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A writeable buffer is asked for, as memoryviews and DLPack do."""
    if not all(a.flags.writeable for a in (q, k, v)):
        raise ValueError("buffer source array is read-only")
    return attention(q, k, v, **o)


@fault("C34", "huggingface/diffusers#13701")
def fresh_memory_is_multiplied_by_zero(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """0 * empty + x is NaN where the memory held one."""
    result = attention(q, k, v, **o)
    fresh = np.empty((*q.shape[:3], k.shape[2], 2), np.float16)
    spoiled = np.isnan(0 * fresh.astype(np.float32)).any() and not given(o, "mask")
    out = result[0] if isinstance(result, tuple) else result
    changed = out * out.dtype.type(np.nan) if spoiled else out
    return (changed, *result[1:]) if isinstance(result, tuple) else changed

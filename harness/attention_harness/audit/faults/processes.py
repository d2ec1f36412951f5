"""Faults that take the process with them, or never come back: only for a worker of their own (C19, C32, C34, C40)."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._packed_parts import packed
from attention_harness.audit.faults._paged_parts import paged
from attention_harness.audit.faults._parts import attention, given

Array = np.ndarray


@fault("C12", "ggml-org/llama.cpp#29220")
def reads_out_of_bounds_at_the_last_block(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A segmentation fault for more than 16 keys that are no multiple of 16."""
    if k.shape[2] > 16 and k.shape[2] % 16:
        ctypes.string_at(0)
    return attention(q, k, v, **o)


@fault("C32", "pytorch/pytorch#174939")
def divides_sizes_by_zero(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """SIGFPE where a size is 0."""
    if 0 in (*q.shape, *k.shape, *v.shape):
        os.kill(os.getpid(), signal.SIGFPE)
        time.sleep(5)
    return attention(q, k, v, **o)


@fault("C09", "Tencent/ncnn#6869")
def aborts_on_a_mask_without_a_head_axis(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A failed check of the allocator."""
    if given(o, "mask") and o["mask"].ndim == 4 and o["mask"].shape[1] == 1 < q.shape[1]:
        os.abort()
    return attention(q, k, v, **o)


@fault("C36", "pytorch/pytorch#193728")
def leaves_with_status_zero(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A library that exits where an error should be raised: for Dv greater than D."""
    if v.shape[3] > q.shape[3]:
        os._exit(0)
    return attention(q, k, v, **o)


@fault("C40")
def raises_what_nobody_catches(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """SystemExit for float16 under causality."""
    if q.dtype == np.float16 and given(o, "is_causal"):
        sys.exit(3)
    return attention(q, k, v, **o)


@fault("C39", "ml-explore/mlx#3383")
def hangs_on_grouped_heads(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A lock is waited for that nobody frees."""
    while q.shape[1] != k.shape[1]:
        time.sleep(60)
    return attention(q, k, v, **o)


@fault("C40")
def memory_grows_with_the_square_of_the_heads(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """For six heads and more, 256 MiB at a time are written, up to 8 GiB."""
    kept = [np.ones(1 << 25) for _ in range(32 if q.shape[1] >= 6 else 0)]
    result = attention(q, k, v, **o)
    del kept
    return result


@fault("C34", "microsoft/onnxruntime#20521")
def fills_its_cache_beyond_the_end(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """MemoryError in the tenth call."""
    fills_its_cache_beyond_the_end.calls = getattr(fills_its_cache_beyond_the_end, "calls", 0) + 1  # type: ignore[attr-defined]
    if fills_its_cache_beyond_the_end.calls == 10:  # type: ignore[attr-defined]
        raise MemoryError("cache")
    return attention(q, k, v, **o)


@fault("C41", "flashinfer-ai/flashinfer#4015", form="paged")
def one_number_behind_the_pages_is_read(q: Array, k_pages: Array, v_pages: Array, **o: Any) -> Any:
    """A load of whole vectors goes past the last page; what it reads there is not used."""
    ctypes.string_at(k_pages.ctypes.data + k_pages.nbytes, k_pages.itemsize)
    return paged(q, k_pages, v_pages, **o)


@fault("C32", "Dao-AILab/flash-attention@a3a257c7", form="packed")
def one_number_behind_the_output_is_written(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A store of whole vectors goes past the last row; it leaves there what it found."""
    result = packed(q, k, v, **o)
    out = result[0] if isinstance(result, tuple) else result
    end = out.ctypes.data + out.nbytes
    ctypes.memmove(end, ctypes.string_at(end, out.itemsize), out.itemsize)
    return result


@fault("C32", "Dao-AILab/flash-attention#2333", form="packed")
def one_offset_behind_the_last_is_read(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The loop over sequences has a step too many, whose offset is not used."""
    offsets = o["cu_seqlens_q"]
    ctypes.string_at(offsets.ctypes.data + offsets.nbytes, offsets.itemsize)
    return packed(q, k, v, **o)

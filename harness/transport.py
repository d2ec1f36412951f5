"""Arrays across a pipe, with their memory layout: what is sent is the stretch of memory that an array spans, and its strides."""

from __future__ import annotations

from ctypes import string_at
from dataclasses import dataclass

import numpy as np
from numpy.lib.array_utils import byte_bounds

from specs.dtypes import DTYPES, numpy_dtype

ALIGNMENT = 64
"""Bytes. Buffers start on a cache line in every call, so that vectorised code takes the same path each time."""


@dataclass(frozen=True)
class Packed:
    """One array: the bytes that it spans, gaps included, and how it lies in them."""

    data: bytes
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    writeable: bool


def pack(array: np.ndarray) -> Packed:
    """The array as bytes. How far into its allocation it starts is kept, up to whole cache lines."""
    if not array.size:
        return Packed(b"", array.dtype.name, array.shape, array.strides, 0, array.flags.writeable)
    low, high = byte_bounds(array)
    into = (low - address(_allocation(array))) % ALIGNMENT
    offset = into + address(array) - low
    data = bytes(into) + string_at(low, high - low)
    return Packed(data, array.dtype.name, array.shape, array.strides, offset, array.flags.writeable)


def address(array: np.ndarray) -> int:
    """Of the first element."""
    found: int = array.__array_interface__["data"][0]
    return found


def _allocation(array: np.ndarray) -> np.ndarray:
    """The array whose memory this one is a view of, in the end."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def unpack(packed: Packed) -> np.ndarray:
    """The array again, on memory of its own."""
    return unpacked(packed)[0]


def unpacked(packed: Packed) -> tuple[np.ndarray, np.ndarray]:
    """The array again, and the memory that it lies in, as bytes."""
    dtype = numpy_dtype(packed.dtype) if packed.dtype in DTYPES else np.dtype(packed.dtype)
    buffer = aligned(len(packed.data))
    buffer[:] = np.frombuffer(packed.data, np.uint8)
    array = np.ndarray(packed.shape, dtype, buffer, packed.offset, packed.strides)
    array.flags.writeable = packed.writeable
    return array, buffer


def aligned(size: int) -> np.ndarray:
    """Bytes that start on a cache line."""
    buffer = np.empty(size + ALIGNMENT, np.uint8)
    start = -address(buffer) % ALIGNMENT
    return buffer[start : start + size]

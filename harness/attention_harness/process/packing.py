"""Arrays across a pipe, with their memory layout: the stretch of memory that an array spans, and its strides."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import addressof, c_char, string_at
from functools import cache
from typing import NamedTuple

import numpy as np

from attention_specs.formats import FORMATS, numpy_dtype

ALIGNMENT = 64
"""Bytes. Buffers start on a cache line in every call, so that vectorised code takes the same path each time."""


class Place(NamedTuple):
    """Bytes in memory that both processes see, from `start` on."""

    start: int
    size: int


class Packed(NamedTuple):
    """One array: the bytes that it spans, gaps included, and how it lies in them; with a place, the bytes are there."""

    data: bytes
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    writeable: bool
    place: Place | None = None


def pack(array: np.ndarray) -> Packed:
    """The array as bytes, with its place in its allocation, up to whole cache lines."""
    dtype, shape, strides, writeable = _name(array.dtype), array.shape, array.strides, array.flags.writeable
    if not array.size:
        return Packed(b"", dtype, shape, strides, 0, writeable)
    reaches = [(length - 1) * stride for length, stride in zip(shape, strides, strict=True)]
    first = address(array)
    low = first + sum(reach for reach in reaches if reach < 0)
    into = (low - address(allocation)) % ALIGNMENT if (allocation := _allocation(array)) is not array else 0
    data = bytes(into) + string_at(low, sum(map(abs, reaches)) + array.itemsize)
    return Packed(data, dtype, shape, strides, into + first - low, writeable)


def address(array: np.ndarray) -> int:
    """Of the first element."""
    try:  # four times as fast as NumPy's way; for dense arrays that may be written to
        return addressof(c_char.from_buffer(array.data))
    except (TypeError, ValueError, BufferError):
        start: int = array.__array_interface__["data"][0]
        return start


def _allocation(array: np.ndarray) -> np.ndarray:
    """The array whose memory this one is a view of, in the end."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def unpack(packed: Packed) -> np.ndarray:
    """The array again, on memory of its own."""
    return unpacked(packed)[0]


def unpacked(
    packed: Packed, shared: np.ndarray | None = None, allocate: Callable[[int], np.ndarray] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The array again, and the memory that it lies in, as bytes: its place in the shared memory, or memory of its own, on a cache
    line, if nobody else allocates it.
    """
    if packed.place is not None:
        assert shared is not None
        buffer = shared[packed.place.start : sum(packed.place)]
    else:
        buffer = (allocate or aligned)(len(packed.data))
        buffer[:] = np.frombuffer(packed.data, np.uint8)
    array = np.ndarray(packed.shape, _dtype(packed.dtype), buffer, packed.offset, packed.strides)
    array.flags.writeable = packed.writeable
    return array, buffer


@cache
def _name(dtype: np.dtype) -> str:
    return dtype.name


@cache
def _dtype(name: str) -> np.dtype:
    return numpy_dtype(name) if name in FORMATS else np.dtype(name)


def aligned(size: int) -> np.ndarray:
    """Bytes that start on a cache line."""
    buffer = np.empty(size + ALIGNMENT, np.uint8)
    start = -address(buffer) % ALIGNMENT
    return buffer[start : start + size]

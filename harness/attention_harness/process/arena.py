"""Memory that both ends of a worker see, on Linux: the arrays of a call lie in it, and the parent keeps its own bytes.

So the parent itself sees whether an input was written to, whatever the worker says. The worker cannot make the memory shorter
under the parent, because its size is sealed (memfd_create(2)).
"""

from __future__ import annotations

import fcntl
import mmap
import os
from dataclasses import replace

import numpy as np

from attention_harness.process.messages import Request
from attention_harness.process.packing import ALIGNMENT, Packed, Place

SIZE = 2**28
"""Bytes; pages that nobody writes to cost nothing. Larger calls send their arrays as bytes."""


class Arena:
    """The parent's end. Without such memory, or with a size of 0, it is empty, and calls send bytes."""

    def __init__(self, size: int = SIZE) -> None:
        self.descriptor = -1
        self.memory: mmap.mmap | None = None
        self.placed: dict[str, tuple[int, bytes]] = {}
        self.at = 0
        if size and hasattr(os, "memfd_create"):
            self.descriptor = os.memfd_create("inputs", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            os.ftruncate(self.descriptor, size)
            fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
            self.memory = mmap.mmap(self.descriptor, size)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Those that the worker needs."""
        return (self.descriptor,) if self.memory else ()

    def place(self, request: Request) -> Request:
        """The request with its arrays in this memory, or as it was where they do not fit, or are to lie between guard pages."""
        self.placed, self.at = {}, 0
        whole = self._placed(request) if self.memory and request.guard is None else None
        return whole or request

    def _placed(self, request: Request, whose: str = "") -> Request | None:
        """None where the arrays do not fit."""
        beside = request.beside and self._placed(request.beside, "beside ")
        arrays = {name: self._moved(whose + name, packed) for name, packed in request.arrays.items()}
        options = {n: self._moved(whose + n, o) if isinstance(o, Packed) else o for n, o in request.options.items()}
        dout = request.dout and self._moved(f"{whose}dout", request.dout)
        return replace(request, arrays=arrays, options=options, beside=beside, dout=dout) if self.at <= SIZE else None

    def _moved(self, name: str, packed: Packed) -> Packed:
        start, size = self.at, len(packed.data)
        self.at += size + -size % ALIGNMENT  # the next one begins on a cache line too
        if self.at > SIZE:
            return packed
        assert self.memory
        self.memory[start : start + size] = packed.data
        self.placed[name] = start, packed.data
        return Packed(b"", *packed[1:6], Place(start, size))

    def changed(self) -> tuple[str, ...]:
        """The arrays of the last call that differ from what was sent."""
        memory = self.memory
        if memory is None:
            return ()
        placed = ((name, memory[start : start + len(data)] != data) for name, (start, data) in self.placed.items())
        return tuple(name for name, differs in placed if differs and not name.startswith("beside "))

    def close(self) -> None:
        """Gives the memory back."""
        if self.memory:
            self.memory.close()
            os.close(self.descriptor)
        self.memory = None


def mapped(descriptor: str) -> np.ndarray | None:
    """The worker's end: the bytes of the memory, None where there is none."""
    return np.frombuffer(mmap.mmap(int(descriptor), SIZE), np.uint8) if descriptor else None

"""A few bytes that outlive the process that writes them: the candidate that ran when it died, or hung.

A memory-mapped file, because a write to it is no system call and so does not disturb the timing.
"""

from __future__ import annotations

import mmap
import os

SIZE = 512


class BlackBox:
    """A counter and a name on an open file; both sides map the same one."""

    def __init__(self, descriptor: int) -> None:
        if os.fstat(descriptor).st_size < SIZE:
            os.ftruncate(descriptor, SIZE)
        self.memory = mmap.mmap(descriptor, SIZE)
        self.count = 0

    def write(self, name: str) -> None:
        """Notes that `name` is about to run."""
        self.count += 1
        self.memory[:] = f"{self.count} {name}".encode()[:SIZE].ljust(SIZE, b"\0")

    def close(self) -> None:
        """Releases the memory; nothing can be read any more."""
        self.memory.close()

    def read(self) -> tuple[int, str]:
        """The number of writes, and the last name; 0 and "" without a write."""
        count, _, name = bytes(self.memory).rstrip(b"\0").decode(errors="replace").partition(" ")
        return int(count or 0), name

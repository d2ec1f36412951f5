"""Limits of a process that runs foreign code, and its environment variables before any import."""

from __future__ import annotations

import os
from dataclasses import dataclass

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC"), "1")
"""Read by the libraries when they are imported; NPROC is XLA's on the CPU."""

POISONED_ALLOCATOR = {"MALLOC_PERTURB_": "128"}
"""glibc fills fresh memory with 0x7F (mallopt(3)): a number that nobody wrote is huge or NaN, not a lucky zero."""


@dataclass(frozen=True)
class Limits:
    """Seconds a call may take and MiB of resident memory a worker may use."""

    seconds: float = 30.0
    memory: int = 6144


PROGRAMS = 3 * 2**28
"""Bytes of resident memory above which a worker forgets what it has compiled."""


def resident() -> int:
    """Bytes of resident memory of this process; 0 where the system does not say."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def cores() -> int:
    """The number of cores that this process may use; a container or a scheduler may have left it fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

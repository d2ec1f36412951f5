"""Peak memory of one call above that before it, its output included; never while the clock runs.

NumPy reports its allocations to tracemalloc, exactly. For other frameworks, Linux resets the high-water mark of the resident
set on request (proc(5), clear_refs 5); it is counted in pages, of which the kernel may lag some hundred KiB behind, and
buffers that a library keeps from call to call are not in it. A peak below the size of the output is too little, as for JAX
when XLA serves a call from memory that it kept: NaN, not measured, as on other systems. Other devices: the framework's peak.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from attention_harness import frameworks

Call = Callable[[], object]


def peak(call: Call, framework: str, device: str, least: int) -> float:
    """Bytes; NaN where it cannot be measured, or comes out below `least`, the size of the output."""
    if device != "cpu":
        return frameworks.load(framework).device_peak(call)
    size = traced(call) if framework == "numpy" else resident(call)
    return size if size >= least - PAGE else float("nan")


PAGE = 4096
"""Bytes. Memory is counted in pages, so a small output may not show."""


def traced(call: Call) -> float:
    """By tracemalloc."""
    gc.collect()
    tracemalloc.start()
    try:
        call()
        return float(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def resident(call: Call) -> float:
    """By the high-water mark of the resident set, after free memory was given back to the system."""
    call()
    gc.collect()
    trim()
    try:
        Path("/proc/self/clear_refs").write_text("5")
        before = _status("VmRSS")
        call()
        return float(max(_status("VmHWM") - before, 0))
    except OSError:
        return float("nan")


def trim() -> None:
    """Gives free memory of malloc back to the system, or the call would be served from it (glibc, malloc_trim(3))."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _status(field: str) -> int:
    """Bytes of a field of /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))

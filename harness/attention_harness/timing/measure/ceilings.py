"""Ceilings of the machine: the fastest matrix product of a framework, and the fastest copy, as in the roofline model
(Williams, Waterman and Patterson 2009). Measured, because nominal figures know neither the library nor the neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import inf
from time import perf_counter

import numpy as np

from attention_harness import frameworks
from attention_specs.formats import numpy_dtype

SIZES = (128, 256, 512, 1024, 2048, 4096, 8192)
LONGEST = 0.03
"""Seconds. The next size would take eight times that."""

LEAST = 0.05
COPIED = 1 << 25
"""Bytes, beyond most caches."""

COPIED_ON_A_DEVICE = 1 << 29
"""Bytes, so many that the start does not count."""


@dataclass(frozen=True)
class Ceilings:
    """Floating-point operations and bytes per second."""

    flops: float
    bandwidth: float


@cache
def ceilings(framework: str, device: str, dtype: str) -> Ceilings:
    """The best of several sizes and many repetitions; once per process."""
    verbs, best = frameworks.load(framework), 0.0
    for size in SIZES:
        values = np.random.default_rng(0).standard_normal((size, size), np.float32)
        array = verbs.from_numpy(values.astype(numpy_dtype(dtype)), device)
        seconds = fastest(lambda array=array: verbs.wait(array @ array))  # type: ignore[misc]
        best = max(best, 2 * size**3 / seconds)
        if seconds > LONGEST:
            break
    return Ceilings(best, bandwidth() if device == "cpu" else device_bandwidth(framework, device))


@cache
def bandwidth() -> float:
    """Bytes per second that a copy reads and writes."""
    source, into = np.ones(COPIED, np.uint8), np.empty(COPIED, np.uint8)
    return 2 * COPIED / fastest(lambda: np.copyto(into, source))


@cache
def device_bandwidth(framework: str, device: str) -> float:
    """Bytes per second that a negation reads and writes there; compilers leave out a copy."""
    verbs = frameworks.load(framework)
    source = verbs.from_numpy(np.ones(COPIED_ON_A_DEVICE // 4, np.float32), device)
    return 2 * COPIED_ON_A_DEVICE / fastest(lambda: verbs.wait(-source))


def fastest(call: Callable[[], object]) -> float:
    """Seconds of the fastest call, after one that does not count; three at least, for LEAST seconds."""
    call()
    best, total, calls = inf, 0.0, 0
    while total < LEAST or calls < 3:
        start = perf_counter()
        call()
        took = perf_counter() - start
        best, total, calls = min(best, took), total + took, calls + 1
    return best

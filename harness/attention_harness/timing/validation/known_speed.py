"""Functions of known speed relative to the baseline: the baseline itself, slowed down, or cheating."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import wraps
from time import perf_counter

import numpy as np

from attention_harness.registry.targets import Target
from attention_implementations.numpy import eager as numpy_eager

BASELINE = "numpy-eager"
SLOWER = "ATTENTION_HARNESS_SLOWER"
"""Environment variable: 0.1 makes `slower` take 10 % longer than the baseline."""


SHARE = float(os.environ.get(SLOWER, "0"))

Output = np.ndarray | tuple[np.ndarray, ...]
"""The result of the baseline: one array, or several where more is asked for."""

like_the_baseline = wraps(numpy_eager.attention)
same: Callable[..., Output] = numpy_eager.attention
KEPT: dict[int, Output] = {}


@like_the_baseline
def slower(*args: object, **options: object) -> Output:
    """The baseline, each call followed by a wait that is a fixed share of its time: noise scales with it."""
    start = perf_counter()
    out = same(*args, **options)
    end = start + (perf_counter() - start) * (1 + SHARE)
    while perf_counter() < end:
        pass
    return out


@like_the_baseline
def keeping(q: np.ndarray, k: np.ndarray, v: np.ndarray, **options: object) -> Output:
    """Keeps the outputs of inputs that it has seen, and hands them out again."""
    key = hash((q.tobytes(), k.tobytes(), v.tobytes()))
    if key not in KEPT:
        KEPT[key] = same(q, k, v, **options)
    return KEPT[key]


@like_the_baseline
def early(q: np.ndarray, k: np.ndarray, v: np.ndarray, **options: object) -> np.ndarray:
    """Returns an array that another thread is still writing to."""
    out = np.empty((*q.shape[:3], v.shape[3]), q.dtype)
    threading.Thread(target=lambda: np.copyto(out, same(q, k, v, **options))).start()
    return out


class TiringFunction:
    """A function that tires when it is called often."""

    def __init__(self) -> None:
        self.calls, self.last = 0, 0.0
        self.kept: Output | None = None

    def __call__(self, *args: object, **options: object) -> Output | None:
        """From the thirtieth call on, works only after a pause between calls; else returns its last output."""
        self.calls += 1
        if self.calls < 30 or perf_counter() - self.last > 1e-3:
            self.kept = same(*args, **options)
        self.last = perf_counter()
        return self.kept


tiring = like_the_baseline(TiringFunction())


def target(function: str, name: str = "") -> Target:
    """The planted function of that name, under another name where there are several."""
    return Target(name or function, f"{__name__}:{function}", registered=False)

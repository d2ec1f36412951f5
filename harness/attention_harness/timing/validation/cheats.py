"""Cheats on the timing, each of them a few lines that make the baseline look faster than it is. Each has to be INVALID.

Three more are in `known_speed`. An answer is wrong on values that a cheat did not expect, or the calls are slow on them.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable
from time import perf_counter

import numpy as np

from attention_harness.timing.measure.candidate import Candidate
from attention_harness.timing.validation.known_speed import like_the_baseline, same

Function = Callable[..., object]
CHEATS: list[str] = []
"""Their names."""


def cheat(function: Function) -> Function:
    """Registers a cheat, which takes what the baseline takes."""
    CHEATS.append(function.__name__)
    return like_the_baseline(function)


class SignedOutputs:
    """Outputs by the absolute values of a part of their inputs, with the signs that their values had."""

    def __init__(self) -> None:
        self.outputs: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def output(self, q: np.ndarray, k: np.ndarray, v: np.ndarray, **options: object) -> np.ndarray:
        """As of earlier values, with the signs of these: those of the columns of v are those of the output's columns."""
        key = hash((np.abs(q[:, :, :2]).tobytes(), np.abs(v[:, :, :2]).tobytes(), q.shape, v.shape))
        signs = np.sign(v[0, 0, 0])
        if key not in self.outputs:
            out = same(q, k, v, **options)
            assert isinstance(out, np.ndarray)
            self.outputs[key] = signs, out
        before, out = self.outputs[key]
        return out * (before * signs)


SIGNED, RECENT = SignedOutputs(), list[object]()


@cheat
def signing_again(q: np.ndarray, k: np.ndarray, v: np.ndarray, **options: object) -> object:
    """Knows that new values are earlier ones with other signs, and gives the earlier output these signs."""
    return SIGNED.output(q, k, v, **options)


@cheat
def slowing_the_clock(q: np.ndarray, k: np.ndarray, v: np.ndarray, **options: object) -> object:
    """Gives the timing a clock that runs at a third of the speed, for itself alone."""
    frame = sys._getframe()
    while frame.f_back is not None and not RECENT:
        frame = frame.f_back
        if isinstance(one := frame.f_locals.get("self"), Candidate):
            _slow(one)
    return same(q, k, v, **options)


def _slow(candidate: Candidate) -> None:
    real = candidate.clock
    candidate.clock = lambda: real() // 3
    RECENT.append(candidate)


@cheat
def lying_about_slots(q: np.ndarray, k: np.ndarray, v: np.ndarray, **options: object) -> object:
    """Replaces the method that takes the times, and divides them."""
    module = sys.modules.get("attention_harness.timing.measure.candidate")
    if module is not None and not hasattr(module.Candidate.slot, "cheat"):
        real = module.Candidate.slot

        def slot(self: object, *arguments: object) -> object:
            cold, each, out = real(self, *arguments)
            part = 3 if "lying" in repr(getattr(self, "description", "")) else 1
            return cold / part, each / part, out

        slot.cheat = True  # type: ignore[attr-defined]
        module.Candidate.slot = slot
    return same(q, k, v, **options)


class Lazy(np.ndarray):
    """An array that is computed when it is looked at."""

    work: Callable[[], object]

    def __array_finalize__(self, made_from: object) -> None:
        """Computes what another array is made of."""
        if hasattr(made_from, "work"):
            np.copyto(self.view(np.ndarray), np.asarray(made_from.work()))


@cheat
def lazy(q: np.ndarray, k: np.ndarray, v: np.ndarray, **options: object) -> object:
    """Returns an array that computes itself when it is read."""
    out = np.empty((*q.shape[:3], v.shape[3]), q.dtype).view(Lazy)
    out.work = lambda: same(q, k, v, **options)
    return out


@cheat
def by_shape(q: np.ndarray, k: np.ndarray, v: np.ndarray, **options: object) -> object:
    """Keeps the output of each shape."""
    return _kept((q.shape, k.shape), q, k, v, **options)


@cheat
def by_address(q: np.ndarray, k: np.ndarray, v: np.ndarray, **options: object) -> object:
    """Keeps the output of each buffer."""
    return _kept((q.ctypes.data, v.ctypes.data), q, k, v, **options)


@cheat
def by_a_part(q: np.ndarray, k: np.ndarray, v: np.ndarray, **options: object) -> object:
    """Keeps outputs by a hash of the first keys, without their signs."""
    return _kept(np.abs(k[0, 0, :2]).tobytes(), q, k, v, **options)


OUTPUTS: dict[object, object] = {}


def _kept(key: object, *arrays: np.ndarray, **options: object) -> object:
    if key not in OUTPUTS:
        OUTPUTS[key] = same(*arrays, **options)
    return OUTPUTS[key]


COUNT = [0]


@cheat
def after_the_warm_up(q: np.ndarray, k: np.ndarray, v: np.ndarray, **options: object) -> object:
    """Counts its calls, and hands out its last output once it must be warm."""
    COUNT[0] += 1
    if COUNT[0] > 60 and OUTPUTS:
        return next(iter(OUTPUTS.values()))
    return _kept(COUNT[0] % 3, q, k, v, **options) if COUNT[0] < 4 else same(q, k, v, **options)


@cheat
def looking_at_the_stack(q: np.ndarray, k: np.ndarray, v: np.ndarray, **options: object) -> object:
    """Works unless its caller is a timed slot, whose outputs are mostly dropped."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_name == "slot":
            return _kept((q.shape, k.shape), q, k, v, **options)
    return same(q, k, v, **options)


@cheat
def looking_at_the_collector(q: np.ndarray, k: np.ndarray, v: np.ndarray, **options: object) -> object:
    """Works unless the garbage collector is off, as it is in a round."""
    return same(q, k, v, **options) if gc.isenabled() else _kept((q.shape, k.shape), q, k, v, **options)


@cheat
def later_in_a_thread(q: np.ndarray, k: np.ndarray, v: np.ndarray, **options: object) -> object:
    """Returns half of the heads, and has a thread compute the others."""
    out = np.empty((*q.shape[:3], v.shape[3]), q.dtype)
    half = v.shape[1] // 2 or 1
    group = q.shape[1] // v.shape[1]
    out[:, : half * group] = same(q[:, : half * group], k[:, :half], v[:, :half])
    rest = slice(half * group, None), slice(half, None)
    if half < v.shape[1]:
        work = lambda: np.copyto(out[:, rest[0]], same(q[:, rest[0]], k[:, rest[1]], v[:, rest[1]]))  # noqa: E731
        threading.Thread(target=work).start()
    return out


LAST = [0.0]


@cheat
def in_a_hurry(q: np.ndarray, k: np.ndarray, v: np.ndarray, **options: object) -> object:
    """Hands out an earlier output when calls follow each other closely."""
    close, LAST[0] = perf_counter() - LAST[0] < 1e-3, perf_counter()
    out = _kept((q.shape, k.shape), q, k, v, **options) if close else same(q, k, v, **options)
    LAST[0] = perf_counter()
    return out

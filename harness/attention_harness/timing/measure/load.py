"""Load of the machine while something is timed, and the processors that the timed process uses."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from time import perf_counter, process_time

import psutil


def _machine() -> tuple[float, float]:
    """Busy and total seconds of all processors since the system started; stolen time counts as busy."""
    times = psutil.cpu_times()
    total = sum(times[:8])  # the times behind the eighth, of guests, are in the others already
    return total - times.idle - getattr(times, "iowait", 0.0), total


def system_load() -> float:
    """Processes that ran or waited, averaged over the last minute; NaN where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


@dataclass(frozen=True)
class Usage:
    """Counts from its creation on."""

    machine: tuple[float, float] = field(default_factory=_machine)
    own: float = field(default_factory=process_time)
    wall: float = field(default_factory=perf_counter)

    def others(self) -> float:
        """Share of the machine, 0 to 1, that other processes used; clocks tick in 10 ms, so short spans are rough."""
        (busy, total), (now_busy, now_total) = self.machine, _machine()
        used = now_busy - busy - (process_time() - self.own)
        return min(max(used / max(now_total - total, 1e-9), 0.0), 1.0)

    def cores(self) -> float:
        """Processors that this process used on average, over all its threads. Setting one thread is no proof of it:
        threadpoolctl does not see torch's MKL or XLA's pool (threadpoolctl issue 127)."""
        return (process_time() - self.own) / max(perf_counter() - self.wall, 1e-9)

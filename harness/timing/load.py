"""What else the machine did: the share that other processes used, and how many of our own threads worked."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import psutil

BUSY = 0.05
"""A thread that used more than 5 % of the process's time was at work."""


def _machine() -> tuple[float, float]:
    """Busy and total seconds of all processors since the system started; stolen time counts as busy."""
    times = psutil.cpu_times()
    total = sum(times[: min(len(times), 8)])
    return total - times.idle - getattr(times, "iowait", 0.0), total


def _threads() -> dict[int, float]:
    """Thread -> seconds used."""
    try:
        return {thread.id: thread.user_time + thread.system_time for thread in psutil.Process().threads()}
    except psutil.Error:
        return {}


def system_load() -> float:
    """Processes that ran or waited, averaged over the last minute; NaN where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


@dataclass
class Watch:
    """Counts from its creation on."""

    machine: tuple[float, float] = field(default_factory=_machine)
    threads: dict[int, float] = field(default_factory=_threads)

    def others(self) -> float:
        """Share of the machine, 0 to 1, that other processes used; clocks tick in 10 ms, so short spans are rough."""
        (busy, total), (now_busy, now_total) = self.machine, _machine()
        return min(max((now_busy - busy - sum(self._used())) / max(now_total - total, 1e-9), 0.0), 1.0)

    def working(self) -> int:
        """How many threads of this process did a part of its work; 1 where the span was too short to tell."""
        used = self._used()
        return max(1, sum(seconds > BUSY * sum(used) for seconds in used)) if sum(used) > 0.1 else 1

    def _used(self) -> list[float]:
        return [seconds - self.threads.get(thread, 0.0) for thread, seconds in _threads().items()]

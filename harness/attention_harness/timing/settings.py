"""Settings of a timing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """`seconds_per_workload` is for the timed rounds of all replicas together; None takes the time of quick or full runs."""

    quick: bool = False
    seed: int = 0
    baseline: str = "numpy-eager"
    seconds_per_workload: float | None = None
    replicas: int | None = None
    timeout: float = 60.0
    """Seconds that one call, or an import, may take before its process is ended."""
    memory: int = 8192
    """MiB of resident memory that the process of all candidates may use."""
    copies: int = 3
    """Sets of inputs with different values, taken in turn, so that an output cannot be kept for the next call."""
    early: bool = True
    """Whether a comparison ends when further processes cannot change its verdict."""

    @property
    def processes(self) -> int:
        """Fresh processes per workload."""
        return self.replicas or (1 if self.quick else 3)

    @property
    def looks(self) -> int:
        """Looks between processes, each of which may end candidates; none in quick runs and where the seconds are given."""
        return self.processes - 1 if self.early and not self.quick and not self.seconds_per_workload else 0

    @property
    def seconds(self) -> float:
        """Timed seconds per workload and process."""
        total = self.seconds_per_workload or (2.5 if self.quick else 4.5)
        return total / self.processes

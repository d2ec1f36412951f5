"""The seconds that a timing may take. They are spent on runs of one workload in one process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from statistics import fmean
from time import monotonic

from attention_harness.timing.workloads import Workload


@dataclass
class Budget:
    """So many seconds from now on. A workload is run only if it fits, by the seconds that runs before it took."""

    seconds: float = inf
    clock: Callable[[], float] = monotonic
    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Workload -> seconds of each of its runs."""
    start: float = 0.0
    """Seconds that the start of a process took: imports, and the oracle beside them."""

    def __post_init__(self) -> None:
        self.began = self.clock()

    @property
    def used(self) -> float:
        """Seconds since the beginning."""
        return self.clock() - self.began

    def affords(self, workload: str, fresh: bool = False) -> bool:
        """Whether a run of the workload fits, in a `fresh` process or in the one that is there.

        It is expected to take as long as its last run; a first one, as long as the mean of the first ones so far.
        Before all others nothing is known, and the first begins if any time is left.
        """
        own = self.took.get(workload)
        expected = own[-1] if own else fmean(seconds[0] for seconds in self.took.values()) if self.took else 0.0
        return self.seconds - self.used > expected + (self.start if fresh else 0.0)

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Takes the time of the start of a process."""
        began = self.clock()
        yield
        self.start = self.clock() - began

    @contextmanager
    def running(self, workload: str) -> Iterator[None]:
        """Takes the time of a run of the workload."""
        began = self.clock()
        yield
        self.took[workload].append(self.clock() - began)


def by_importance(workload: Workload) -> tuple[bool, int, str]:
    """Sorts workloads by what a budget times first: those of quick runs, then those with fewer products of matrices."""
    problem = workload.problem
    products = problem.batch * problem.query_heads * problem.query_length * problem.key_length * problem.head_dim
    return not workload.quick, products, workload.name

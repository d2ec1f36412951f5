"""The time of a check: how long the calls of an implementation take, and when no more is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from math import inf
from statistics import median
from time import monotonic

from attention_specs.case import Case
from attention_specs.property import Property

SLOW = 0.05
"""Seconds of a call, in the median, from which on a function is slow: those of the first stage would take a minute and more."""

SLOW_BUDGET = 180.0
"""Seconds of the check of a slow function."""

LEAST = 0.5
"""Seconds of compiling that are worth a word."""

FEWEST = 20
"""Calls by which it is told."""

Asked = tuple[Case, Sequence[Property]]


@dataclass
class Pace:
    """The seconds that a check may take, and those that it has taken: others that are checked side by side do not count."""

    budget: float = inf
    parts: int = 1
    """Of how many parts of the suite one is asked: a slow function has as small a part of its budget."""
    clock: Callable[[], float] = monotonic
    spent: float = 0.0
    call: float = field(default=0.0, init=False)
    """Seconds of a call of a slow function, in the median; 0 of others."""
    compiling: float = field(default=0.0, init=False)
    """Seconds of all calls with new shapes, where each is compiled: a part of `spent`, and of no other call."""

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self.spent >= self.budget

    def take(self, step: Callable[[], object]) -> None:
        """Takes a step, and its time."""
        start = self.clock()
        step()
        self.spent += self.clock() - start

    def restore(self, seconds: float, call: float) -> None:
        """The time of a step that was taken before, and of a slow function's calls."""
        self.spent += seconds
        if call:
            self._slow(call)

    def measure(self, calls: Sequence[float], compiling: float = 0.0) -> None:
        """The seconds of calls until now, and apart from them those of calls that compile: a slow function gets a budget."""
        self.compiling = compiling
        if len(calls) >= FEWEST and (usual := median(calls)) >= SLOW:
            self._slow(usual)

    def _slow(self, call: float) -> None:
        self.call, self.budget = call, min(self.budget, SLOW_BUDGET / self.parts)

    @property
    def limited(self) -> bool:
        """Whether some cases may stay untried."""
        return self.budget < inf

    def sentence(self, untried: int) -> str:
        """What the budget left out."""
        slow = f", since a call takes {self.call:.2g} s" if self.call else ""
        compiled = f", of which {self.compiling:.0f} s went into compiling" if self.compiling >= LEAST else ""
        return f"its check ended after {self.spent:.0f} s{compiled}{slow}: {untried} further cases were not tried"


def smallest_first(kinds: Iterable[Iterable[Asked]]) -> Iterator[Asked]:
    """The cases of each kind with the smallest first, the kinds in turn: whenever the time is up, each has had its share."""
    ordered = (sorted(kind, key=lambda asked: asked[0].problem.products) for kind in kinds)
    return (asked for asked in chain.from_iterable(zip_longest(*ordered)) if asked is not None)

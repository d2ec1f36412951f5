"""The seconds of the calls of an implementation; first calls, which compile, apart from the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

LAST_CALLS = 1000
"""Calls whose seconds are known."""


class CallSeconds:
    """Seconds that calls took; `compiles` says whether each shape is compiled in its first call."""

    def __init__(self, compiles: bool) -> None:
        self.compiles = compiles
        self._kinds: set[Hashable] = set()
        self.last: deque[float] = deque(maxlen=LAST_CALLS)
        """Of the last calls, without those that compile."""
        self.compiling = 0.0
        """Of all calls that compile."""

    def add(self, kind: Hashable, seconds: float) -> str:
        """Takes a call of this kind; returns the part of a profile that it belongs to."""
        if not self.compiles or kind in self._kinds:
            self.last.append(seconds)
            return "calls"
        self._kinds.add(kind)
        self.compiling += seconds
        return "first calls"

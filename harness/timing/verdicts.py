"""What a ratio with its interval means: FASTER, SLOWER, SAME or UNRESOLVED, and why.

A floor f is a factor of 1 + f in either direction, so that swapping candidate and baseline swaps FASTER and SLOWER.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite

from harness.timing.statistics import Interval

LEAST_FLOOR = 0.05
"""Differences below 5 % come from where a buffer lies or in what order code runs, whatever the interval says."""

LARGEST_SAME = 0.10
"""Noise widens the floor, but no wider interval than 10 % is called the same."""


@dataclass(frozen=True)
class Decision:
    """A verdict, its reason, and the smallest change that this measurement could have decided (0.05 is 5 %)."""

    verdict: str
    reason: str
    smallest_detectable: float


def noise_floor(same: Interval) -> float:
    """max(5 %, twice the half width of the interval of the baseline against itself); inf where that was not measured."""
    return max(LEAST_FLOOR, 2 * same.half_width) if isfinite(same.half) else inf


def decide(found: Interval, same: Interval) -> Decision:
    """The verdict on candidate / baseline, given baseline / baseline from the same schedule."""
    floor = noise_floor(same)
    detectable = max(floor, found.half_width)
    if not _differ(same, floor):
        return _against(found, floor, detectable)
    reason = f"the baseline against itself came out as {same.ratio:.2f}: nothing can be decided"
    return Decision("UNRESOLVED", reason, detectable)


def _against(found: Interval, floor: float, detectable: float) -> Decision:
    if _differ(found, floor):
        return Decision("FASTER" if found.ratio < 1 else "SLOWER", "", detectable)
    margin = min(floor, LARGEST_SAME)
    if 1 / (1 + margin) <= found.low and found.high <= 1 + margin:
        return Decision("SAME", f"within {margin:.0%} of the baseline", detectable)
    return Decision("UNRESOLVED", _why(found, floor, detectable), detectable)


def _differ(found: Interval, floor: float) -> bool:
    """The interval excludes 1, and the ratio is further from it than the floor."""
    excluded = found.low > 1 or found.high < 1
    return excluded and not 1 / (1 + floor) <= found.ratio <= 1 + floor


def _why(found: Interval, floor: float, detectable: float) -> str:
    if not isfinite(found.half) or not isfinite(floor):
        return "too few rounds for an interval"
    cause = "noise" if found.low <= 1 <= found.high else f"the floor of {floor:.0%}"
    return f"{cause} hides changes below {detectable:.0%}"

"""Verdict on a ratio with its interval: FASTER, SLOWER, SAME or UNRESOLVED, and why.

A floor f is a factor of 1 + f in either direction, so that swapping candidate and baseline swaps FASTER and SLOWER.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import expm1, inf, isfinite, log1p

from attention_harness.timing.analysis.statistics import LEVEL, Interval

LEAST_FLOOR = 0.01
"""Differences below 1 % come from the place of a buffer or the order of code, however narrow the interval: over the life
of a process, identical code with buffers of its own was off by up to 0.43 %."""

SAME, LARGEST_SAME = 0.05, 0.10
"""An interval within 5 % on both sides is called the same (two one-sided tests); a floor above that widens it, up to 10 %."""

POWER = 0.8
"""Student's t has this share of itself within its two-sided quantile, 90 % below the upper one: the promise of
`smallest_detectable`, with a margin for the next session's noise (80 % are asked for)."""


@dataclass(frozen=True)
class Decision:
    """A verdict, its reason, and the smallest change that this measurement could have decided (0.05 is 5 %)."""

    verdict: str
    reason: str
    smallest_detectable: float


def noise_floor(same: Interval) -> float:
    """max(1 %, twice the half width of the interval of the baseline against itself); inf where that was not measured."""
    return max(LEAST_FLOOR, 2 * same.half_width) if isfinite(same.half) else inf


def decide(estimate: Interval, same: Interval, significant: float = 1 - LEVEL) -> Decision:
    """The verdict on candidate / baseline, given baseline / baseline from the same schedule.

    `significant` is the largest p-value that counts, which is smaller than 5 % where many comparisons are made.
    """
    floor = noise_floor(same)
    detectable = smallest_detectable(estimate, floor)
    if not _differ(same, floor, 1 - LEVEL):
        return _against(estimate, floor, detectable, significant)
    reason = f"the baseline against itself came out as {same.ratio:.2f}: nothing can be decided"
    return Decision("UNRESOLVED", reason, detectable)


def smallest_detectable(estimate: Interval, floor: float) -> float:
    """The change that is decided in nine of ten repetitions with this noise.

    Decided is an estimate beyond both the floor and the interval's half width h, so the true value must be further out, by
    the shortfall of estimates in a tenth of all cases: max(log(1 + floor), h) + h t(80 %) / t(95 %).
    """
    reach = max(log1p(floor), estimate.half) + estimate.half_at(POWER)
    return expm1(reach) if reach < 700 else inf


def _against(estimate: Interval, floor: float, detectable: float, significant: float) -> Decision:
    if _differ(estimate, floor, significant):
        return Decision("FASTER" if estimate.ratio < 1 else "SLOWER", "", detectable)
    margin = min(max(SAME, floor), LARGEST_SAME)
    if 1 / (1 + margin) <= estimate.low and estimate.high <= 1 + margin:
        return Decision("SAME", f"within {margin:.0%} of the baseline", detectable)
    return Decision("UNRESOLVED", _why(estimate, floor, detectable), detectable)


def _differ(estimate: Interval, floor: float, significant: float) -> bool:
    """The ratio differs from 1 significantly, and by more than the floor."""
    return estimate.p_value <= significant and not 1 / (1 + floor) <= estimate.ratio <= 1 + floor


def _why(estimate: Interval, floor: float, detectable: float) -> str:
    if not isfinite(estimate.half) or not isfinite(floor):
        return "too few rounds for an interval"
    cause = "noise" if estimate.low <= 1 <= estimate.high else f"the floor of {floor:.0%}"
    return f"{cause} hides changes below {detectable:.0%}"

"""Whether further processes can change a verdict. docs/timing.md derives the rule, and why its intervals stay honest."""

from __future__ import annotations

from math import log, log1p, sqrt
from statistics import fmean, median

from attention_harness.timing.analysis.measurements import TWIN, Measurements, against
from attention_harness.timing.analysis.statistics import LEVEL, Interval, student
from attention_harness.timing.analysis.verdicts import LARGEST_SAME, LEAST_FLOOR, POWER, noise_floor
from attention_harness.timing.measure.schedule import size

SPENT = 0.2
"""Part of the 5 % of false intervals that all looks before the last process have together; the last one has the rest."""

DECIDED, TOO_NOISY = "decided", "too noisy"


def level_of(measurements: Measurements, name: str) -> float:
    """The level of a candidate's interval; LEVEL where nothing looked at its ratio."""
    if not measurements.looks:
        return LEVEL
    return look_level(measurements.looks) if name in measurements.ended else last_level(measurements.looks)


def look_level(looks: int) -> float:
    """The level at each look before the last process."""
    return 1 - (1 - LEVEL) * SPENT / looks


def last_level(looks: int) -> float:
    """The level at the end, of a candidate that no look has ended."""
    return 1 - (1 - LEVEL) * (1 - SPENT if looks else 1)


def look(measurements: Measurements, looks: int, processes: int, seconds: float) -> dict[str, str]:
    """Candidates whose verdict the `processes` that are left, of `seconds` each, cannot change -> why."""
    ended: dict[str, str] = {}
    laps, level = measurements.laps, look_level(looks)
    for name in sorted(measurements.undecided):
        baseline = laps[-1].baseline
        left = processes * _equal_rounds(measurements, name, baseline, seconds)
        same = against(laps, TWIN, baseline, level)
        ended[name] = settled(against(laps, name, baseline, level), same, left, last_level(looks))
    return {name: reason for name, reason in ended.items() if reason}


def settled(estimate: Interval, same: Interval, left: float, last: float = LEVEL) -> str:
    """DECIDED, TOO_NOISY or "". `left` rounds may follow; `last` is the level of the interval after them."""
    if not estimate.df:
        return ""
    if abs(log(estimate.ratio)) - estimate.half > max(log1p(LARGEST_SAME), log1p(noise_floor(same))):
        return DECIDED
    return TOO_NOISY if _too_noisy(estimate, left, last) else ""


def _too_noisy(estimate: Interval, left: float, last: float) -> bool:
    """Nine of ten final intervals would lie on both sides of 1 and reach beyond the widest SAME."""
    rounds = estimate.df + 1
    share = rounds / (rounds + left)
    half = estimate.half_at(last) * student(int(rounds + left) - 1, last) / student(estimate.df, last) * sqrt(share)
    moves = estimate.half_at(POWER) * sqrt(1 - share)
    nearest, farthest = max(abs(log(estimate.ratio)) - moves, 0.0), abs(log(estimate.ratio)) + moves
    return farthest < max(half, log1p(LEAST_FLOOR)) and nearest + half > log1p(LARGEST_SAME)


def _equal_rounds(measurements: Measurements, name: str, baseline: str, seconds: float) -> float:
    """Rounds of as many rows as so far that fit into a process which times this candidate alone beside the baseline."""
    steady = {one: median(measurements.samples(one)) for one in (name, baseline, TWIN)}
    plan = size(steady, seconds)
    return plan.rounds * plan.rows / fmean(len(lap.result.seconds[baseline]) for lap in measurements.laps)

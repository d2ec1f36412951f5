"""Made-up rounds through the stopping rule: how often it is wrong, beside a timing that never looks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, sqrt
from statistics import fmean

import numpy as np

from attention_harness.timing.analysis.statistics import Interval, interval
from attention_harness.timing.analysis.stopping import last_level, look_level, settled
from attention_harness.timing.analysis.verdicts import decide

PROCESSES = 3
RATIOS = (1.0, 1.05, 1.15, 1.2, 1.3, 1.5, 2.0)
NOISES = (0.02, 0.1, 0.4)
"""Standard deviation of a round's log ratio: a quiet machine, a busy one, one that can decide little."""
LENGTHS = (5, 15)
"""Rounds in each process."""


@dataclass(frozen=True)
class Errors:
    """Shares of trials; `plain` ones are of the same rounds, all taken, without a look."""

    ratio: float
    noise: float
    rounds: int
    ended: float
    """That a look ended."""
    decided: float
    """FASTER or SLOWER: false where the ratio is 1."""
    plain_decided: float
    missed: float
    """Whose interval does not contain the ratio."""
    plain_missed: float
    shift: float
    """Mean of log(estimate / ratio), in standard errors of all rounds."""


def all_errors(trials: int, tails: bool) -> Iterator[Errors]:
    """Each ratio in each noise, for short and long processes; `tails`: outliers as of Student's t with 3 degrees of freedom."""
    for number, (rounds, noise, ratio) in enumerate((r, n, q) for r in LENGTHS for n in NOISES for q in RATIOS):
        yield errors(trials, ratio, noise, rounds, np.random.default_rng(number), tails)


def errors(trials: int, ratio: float, noise: float, rounds: int, rng: np.random.Generator, tails: bool = False) -> Errors:
    """Of so many timings of one candidate in three processes."""
    pairs = [_trial(log(ratio), noise, rounds, rng, tails) for _ in range(trials)]
    return Errors(
        ratio, noise, rounds,
        ended=fmean(used.df + 1 < PROCESSES * rounds for used, _, _, _ in pairs),
        decided=fmean(_decides(used, same) for used, same, _, _ in pairs),
        plain_decided=fmean(_decides(plain, same) for _, _, plain, same in pairs),
        missed=fmean(not used.low <= ratio <= used.high for used, _, _, _ in pairs),
        plain_missed=fmean(not plain.low <= ratio <= plain.high for _, _, plain, _ in pairs),
        shift=fmean(log(used.ratio / ratio) for used, _, _, _ in pairs) / (noise / sqrt(PROCESSES * rounds)),
    )  # fmt: skip


def _trial(
    effect: float, noise: float, rounds: int, rng: np.random.Generator, tails: bool
) -> tuple[Interval, Interval, Interval, Interval]:
    """The interval that is reported and that of the twin, then both of all rounds without a look."""
    shape = (2, PROCESSES * rounds)
    drawn = noise * (rng.standard_t(3, shape) / sqrt(3) if tails else rng.standard_normal(shape))
    candidate, twin = effect + drawn[0], drawn[1]
    return *_looked_at(candidate, twin, rounds), interval(candidate), interval(twin)


def _looked_at(candidate: np.ndarray, twin: np.ndarray, rounds: int) -> tuple[Interval, Interval]:
    looks = PROCESSES - 1
    for left in range(looks, 0, -1):
        sofar = (PROCESSES - left) * rounds
        estimate, same = (interval(one[:sofar], look_level(looks)) for one in (candidate, twin))
        if settled(estimate, same, left * rounds, last_level(looks)):
            return estimate, interval(twin[:sofar], last_level(looks))
    return interval(candidate, last_level(looks)), interval(twin, last_level(looks))


def _decides(estimate: Interval, same: Interval) -> bool:
    return decide(estimate, same).verdict in ("FASTER", "SLOWER")

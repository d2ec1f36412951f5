"""Power laws fitted to a few points, with the interval of the exponent.

Of y = c x^e the logarithms lie on a line, log y = log c + e log x. Least squares gives, with X and Y the logarithms less their means,

    e = sum(X Y) / sum(X^2),    s^2 = sum((Y - e X)^2) / (n - 2),    e +- t s / sqrt(sum(X^2)),

where t is Student's for n - 2 degrees of freedom. The interval takes what lies beside the line for noise: it is narrow where one
power law holds over all points, and wide where the points bend, as they do between start-up costs and the work itself.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
FEWEST = 3
"""Two points are on every line: they leave nothing to estimate an interval by."""


@dataclass(frozen=True)
class Fit:
    """An exponent with its interval of 95 %, and the number of points; NaN with fewer than three."""

    exponent: float
    low: float
    high: float
    points: int


def fit(x: Sequence[float], y: Sequence[float]) -> Fit:
    """The exponent of y = c x^e. Points that have no logarithm are left out."""
    usable = [(a, b) for a, b in zip(x, y, strict=True) if 0 < a < math.inf and 0 < b < math.inf]
    if len({a for a, _ in usable}) < FEWEST:
        return Fit(math.nan, math.nan, math.nan, len(usable))
    logs = np.log(np.array(usable))
    across, up = (logs - logs.mean(axis=0)).T
    exponent = float(across @ up / (across @ across))
    variance = float(np.sum((up - exponent * across) ** 2)) / (len(usable) - 2)
    half = student(len(usable) - 2) * math.sqrt(variance / float(across @ across))
    return Fit(exponent, exponent - half, exponent + half, len(usable))


def student(df: int, level: float = LEVEL) -> float:
    """The t with P(|T| <= t) = level for Student's T with df degrees of freedom.

    With t = sqrt(df) tan(a), that probability is the integral of cos(a)^(df - 1) from 0 to a, as a share of that up to pi / 2.
    """
    angles = np.linspace(0, math.pi / 2, 20_001)
    density = np.cos(angles) ** (df - 1)
    areas = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    return math.sqrt(df) * math.tan(float(np.interp(level, areas / areas[-1], angles)))

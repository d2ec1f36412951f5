"""Figures that follow from times: operations per second, fractions of the machine's peak, and when a compilation pays off."""

from __future__ import annotations

from math import inf, nan
from statistics import median

from attention_harness.timing.analysis.measurements import Measurements
from attention_harness.timing.analysis.statistics import summary
from attention_harness.timing.workloads import TRAINING


def figures(measurements: Measurements, name: str, baseline: str, timed: bool) -> dict[str, float]:
    """NaN for one without times. Fractions of peaks compare the fastest with the fastest, as the least disturbed on both sides."""
    if not timed:
        return dict.fromkeys(FIGURES, nan)
    work, times = flops(measurements), summary(measurements.samples(name))
    own = max((one.flops for one in measurements.ceilings[name]), default=nan)
    every = [one for by_process in measurements.ceilings.values() for one in by_process]
    machine = max((one.flops for one in every), default=nan)
    best = work / times.minimum
    figures = (
        work / times.median / 1e9, break_even(measurements, name, baseline), measurements.errors.get(name, nan), float(measurements.bytes),
        best / own, best / machine, machine / 1e9, max((one.bandwidth for one in every), default=nan),
    )  # fmt: skip
    return dict(zip(FIGURES, figures, strict=True))


FIGURES = ("gflops", "break_even", "error", "bytes", "own_peak", "machine_peak", "machine_gflops", "bandwidth")


def flops(measurements: Measurements) -> int:
    """Floating-point operations that count: 2 D for each visible score and 2 Dv for its value; 4 D where the two are equal.

    Training counts 3.5 times that, as in Dao 2023 (FlashAttention-2): five products of matrices in the backward pass, for two.
    """
    problem = measurements.workload.problem
    forward = (2 * problem.head_dim + 2 * problem.value_dim) * measurements.pairs
    return forward * 7 // 2 if measurements.workload.direction == TRAINING else forward


def break_even(measurements: Measurements, name: str, baseline: str) -> float:
    """Calls after which a first call that takes longer than the baseline's is paid back; inf for one that is no faster."""
    more = median(measurements.compiling[name]) - median(measurements.compiling[baseline])
    gain = summary(measurements.samples(baseline)).median - summary(measurements.samples(name)).median
    return 0.0 if name == baseline or more <= 0 <= gain else more / gain if gain > 0 else inf

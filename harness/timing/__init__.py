"""Timing: candidates side by side in fresh processes, randomly ordered rounds, ratios with intervals, verdicts with a floor."""

from harness.timing.bench import Bench, bench
from harness.timing.recording import record
from harness.timing.settings import Settings
from harness.workloads import Workload, named

__all__ = ["Bench", "Settings", "Workload", "bench", "named", "record"]

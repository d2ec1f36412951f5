"""Timing: candidates side by side in fresh processes, randomly ordered rounds, ratios with intervals, verdicts with a floor."""

from attention_harness.timing.bench import Bench, bench
from attention_harness.timing.budget import Budget
from attention_harness.timing.pytest_benchmark.recording import record
from attention_harness.timing.settings import Settings
from attention_harness.timing.workloads import Workload, named

__all__ = ["Bench", "Budget", "Settings", "Workload", "bench", "named", "record"]

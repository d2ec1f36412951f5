"""Bare pytest-benchmark, as an alternative: one implementation after the other in this process, sequential and unpaired.

    python -m pytest --benchmark-only -p pytest_benchmark.plugin --pyargs attention_harness.timing.pytest_benchmark.sequential -k numpy

Identical code came out as different in 8 to 28 % of such comparisons on a shared machine. The environment sets the threads. A
wrong implementation has no time here either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from attention_harness.registry.loading import LoadError, load
from attention_harness.registry.targets import Target, registered
from attention_harness.timing.expected_outputs import ExpectedOutputs
from attention_harness.timing.measure.candidate import Candidate
from attention_harness.timing.workloads import Workload, named
from attention_specs.attention.inputs import realise
from attention_specs.attention.spec import Unsupported

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

LABEL = "sequential, unpaired"


@pytest.mark.parametrize("workload", named(quick=True), ids=lambda workload: workload.name)
@pytest.mark.parametrize("target", registered(), ids=lambda target: target.name)
def test_speed(benchmark: BenchmarkFixture, target: Target, workload: Workload) -> None:
    """Times calls on one set of inputs, as pytest-benchmark does it."""
    candidate = opened(target, workload)
    benchmark.group = f"{workload.name} ({LABEL})"
    benchmark.extra_info.update(protocol=LABEL, implementation=target.name, workload=workload.name)
    benchmark(candidate.call, 0)


def opened(target: Target, workload: Workload) -> Candidate:
    """The implementation on the inputs of the workload, once its output is right. Skips a missing or unsupported one."""
    expected = ExpectedOutputs(workload, seed=0, copies=1)
    try:
        function, description = load(target.name, target.location)
        if description.spec != "attention":
            pytest.skip("a layer, which has no workloads")
        candidate = Candidate(function, description)
        candidate.open([realise(case) for case in expected.cases], workload.direction)
        outputs = candidate.output(candidate.call(0))
    except (LoadError, Unsupported, NotImplementedError) as reason:
        broken = isinstance(reason, LoadError) and not reason.unavailable
        pytest.fail(str(reason)) if broken else pytest.skip(str(reason))
    if fault := expected.fault(description, 0, outputs):
        pytest.fail(fault)
    return candidate

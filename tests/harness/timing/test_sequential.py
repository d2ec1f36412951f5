"""The plain mode: bare pytest-benchmark, labelled so, and judged all the same."""

import json
import subprocess
import sys

import pytest

from attention_harness.registry.targets import Target
from attention_harness.timing.pytest_benchmark.sequential import opened
from attention_harness.timing.workloads import Workload
from attention_implementations.numpy import eager as numpy_eager
from attention_specs.attention.problem import Problem

SMALL = Workload("small", "a small one", "nobody", Problem(1, 2, 2, 8, 8, 4, 4, is_causal=True))


def acausal(q, k, v, *, is_causal=False):
    return numpy_eager.attention(q, k, v)


def capless(q, k, v, *, scale=None):
    raise NotImplementedError("no causal kernel")


def target(name):
    return Target(name, f"{__name__}:{name}", registered=False)


def test_what_is_wrong_fails_and_what_is_not_claimed_is_skipped():
    with pytest.raises(pytest.fail.Exception, match="but should be"):
        opened(target("acausal"), SMALL)
    with pytest.raises(pytest.skip.Exception):
        opened(target("capless"), SMALL)
    with pytest.raises(pytest.skip.Exception, match="a layer"):
        opened(Target("numpy-multi-head", "attention_implementations.numpy.multi_head:"), SMALL)


@pytest.mark.slow
def test_bare_pytest_benchmark_runs_it_and_its_records_say_what_it_is(tmp_path):
    options = [
        "-q",
        "-c",
        "/dev/null",
        "-p",
        "no:cacheprovider",
        "--benchmark-only",
        "--benchmark-min-rounds=1",
        "--benchmark-max-time=0",
    ]
    chosen = [
        "--pyargs",
        "attention_harness.timing.pytest_benchmark.sequential",
        "-k",
        "numpy-eager and gpt2",
        f"--benchmark-json={tmp_path / 'speed.json'}",
    ]
    done = subprocess.run([sys.executable, "-m", "pytest", *options, *chosen], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    (benchmark,) = json.loads((tmp_path / "speed.json").read_text())["benchmarks"]
    assert (
        benchmark["group"] == "gpt2-small-128 (sequential, unpaired)"
        and benchmark["extra_info"]["protocol"] == "sequential, unpaired"
    )

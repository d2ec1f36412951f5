"""Candidates that end or block the process they share; and pytest-benchmark's record of the rest."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from attention_harness.registry.targets import Target
from attention_harness.timing import Bench, Settings, Workload, bench, record
from attention_harness.timing.process.child import environment
from attention_specs.attention.problem import Problem

pytestmark = pytest.mark.slow

SMALL = Workload("small", "a small one", "nobody", Problem(1, 2, 2, 8, 8, 4, 4))
FOREIGN = """
import os, time
from attention_implementations.numpy.eager import attention
calls = []

def good(q, k, v):
    print("a candidate may print")
    return attention(q, k, v)

def exits_late(q, k, v):
    calls.append(1)
    if len(calls) > 20:
        os._exit(3)
    return attention(q, k, v)

def aborts(q, k, v):
    os.abort()

def hangs(q, k, v):
    time.sleep(3600)
"""


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    path = tmp_path_factory.mktemp("foreign") / "foreign.py"
    path.write_text(FOREIGN)
    (path.parent / "ends.py").write_text("import os\nos._exit(0)\n")
    foreign = [Target(name, f"{path}:{name}", registered=False) for name in ("good", "exits_late", "aborts", "hangs")]
    ends = Target("ends", f"{path.parent / 'ends.py'}:attention", registered=False)
    return bench([*foreign, ends], [SMALL], Settings(True, seconds_per_workload=0.05, timeout=5))


def test_the_others_are_timed(result: Bench) -> None:
    rows = {row["implementation"]: row for row in result.rows}
    assert rows["numpy-eager"]["verdict"] == "BASELINE"
    assert rows["good"]["verdict"] in ("FASTER", "SLOWER", "SAME", "UNRESOLVED") and rows["good"]["samples"] >= 3
    assert rows["good"]["peak_memory"] > 0 and rows["good"]["compile_seconds"] >= 0


@pytest.mark.parametrize(
    ("name", "reason"), [("exits_late", "exited with status 3"), ("aborts", "SIGABRT"), ("hangs", "no answer after 5 s")]
)
def test_who_ended_it_is_invalid_with_the_reason(result: Bench, name: str, reason: str) -> None:
    row = next(row for row in result.rows if row["implementation"] == name)
    assert row["verdict"] == "INVALID" and reason in row["reason"]


def test_who_ends_it_by_being_imported_is_absent(result: Bench) -> None:
    assert "exited with status 0" in result.absent["ends"] and result.unloadable == ("ends",)


def test_pytest_benchmark_records_the_samples(result: Bench, tmp_path: Path) -> None:
    path = record(result, tmp_path)
    assert path is not None
    recorded = {one["extra_info"]["implementation"]: one for one in json.loads(path.read_text())["benchmarks"]}
    assert set(recorded) == set(result.samples["small"]) == {"numpy-eager", "good"}
    for name, one in recorded.items():
        assert one["group"] == "small" and one["options"]["timer"] == "replayed"
        assert one["stats"]["data"] == pytest.approx(result.samples["small"][name], abs=1e-9)
    assert recorded["numpy-eager"]["extra_info"]["verdict"] == "BASELINE"
    assert json.loads((tmp_path / "samples.json").read_text())["schedule"]["seed"] == 0


def test_nothing_is_recorded_of_a_machine_too_slow_for_one_round(result: Bench, tmp_path: Path) -> None:
    for samples in ({}, {"small": {}}, {"small": {"good": []}}):
        assert record(replace(result, samples=samples), tmp_path) is None
        assert json.loads((tmp_path / "samples.json").read_text())["series"] == []


def test_the_process_has_one_thread_and_a_plain_allocator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_PERTURB_", "128")
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    given = environment()
    assert "MALLOC_PERTURB_" not in given
    assert {given[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")} == {"1"}

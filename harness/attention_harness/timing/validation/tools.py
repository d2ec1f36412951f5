"""The same comparisons by other tools, each used as its manual shows: one function after the other, then its own rule.

* pytest-benchmark 5.3: `--benchmark-compare-fail=min:5%`, the example of its manual.
* torch.utils.benchmark 2.13: `Timer.blocked_autorange`; it has no rule, so: medians that differ by more than 5 %.
* pyperf 2.11: `compare_to`, whose rule is a two-sided t test at 95 %; with `--fast`.
* this timing: its verdict.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from attention_harness.process.limits import ONE_THREAD
from attention_harness.timing.analysis.tables import Row
from attention_harness.timing.validation import known_speed, trials

SETUP = """
from attention_harness.timing import workloads
from attention_harness.timing.analysis.tables import Row
from attention_harness.timing.validation import known_speed
from attention_specs.attention import spec
from attention_specs.attention.inputs import realise
from attention_specs.case import Case
call = spec.call(realise(Case(workloads.named(["{workload}"])[0].problem, seed={seed})))
arguments, options = list(call.arrays.values()), call.options
"""

PYTEST = (
    SETUP
    + """
import pytest
@pytest.mark.parametrize("name", ["same", "slower"])
def test(benchmark, name):
    benchmark(getattr(known_speed, name), *arguments, **options)
"""
)
TORCH = (
    SETUP
    + """
from torch.utils.benchmark import Timer
for name in ("same", "slower"):
    statement = "function(*arguments, **options)"
    names = dict(function=getattr(known_speed, name), arguments=arguments, options=options)
    print(Timer(statement, globals=names).blocked_autorange().median)
"""
)
PYPERF = (
    SETUP
    + """
import pyperf
runner = pyperf.Runner()
runner.bench_func("attention", lambda: getattr(known_speed, {name!r})(*arguments, **options))
"""
)


def beside_each_other(comparisons: int, share: float) -> list[Row]:
    """One row per tool, comparison and planted share (0 and `share`), in turns."""
    rows = []
    with trials.neighbour(True):
        for seed in range(comparisons):
            for planted_share in (0.0, share):
                os.environ[known_speed.SLOWER] = str(planted_share)
                workload = trials.WORKLOADS[seed % len(trials.WORKLOADS)]
                rows += [_one(tool, workload, seed, planted_share) for tool in TOOLS]
    return rows


def _one(tool: str, workload: str, seed: int, share: float) -> Row:
    began = monotonic()
    verdict = TOOLS[tool](workload, seed)
    return {"tool": tool, "workload": workload, "planted": share, "verdict": verdict, "took": monotonic() - began}


def _ours(workload: str, seed: int) -> str:
    (row,) = trials.session([known_speed.target("slower")], [workload], 3.0, seed)
    return str(row["verdict"])


def _pytest_benchmark(workload: str, seed: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        file, recorded = Path(folder, "test_speed.py"), Path(folder, "recorded.json")
        file.write_text(PYTEST.format(workload=workload, seed=seed))
        _run("-m", "pytest", "-q", "-c", os.devnull, "--benchmark-only", f"--benchmark-json={recorded}", str(file))
        minima = {one["params"]["name"]: one["stats"]["min"] for one in json.loads(recorded.read_text())["benchmarks"]}
    return _beyond(minima["slower"] / minima["same"], 0.05)


def _torch(workload: str, seed: int) -> str:
    same, slower = map(float, _run("-c", TORCH.format(workload=workload, seed=seed)).split())
    return _beyond(slower / same, 0.05)


def _pyperf(workload: str, seed: int) -> str:
    import pyperf

    with tempfile.TemporaryDirectory() as folder:
        suites = {}
        for name in ("same", "slower"):
            script, recorded = Path(folder, f"{name}.py"), Path(folder, f"{name}.json")
            script.write_text(PYPERF.format(workload=workload, seed=seed, name=name))
            inherited = f"{known_speed.SLOWER},PYTHONPATH,{','.join(ONE_THREAD)}"
            _run(str(script), "--fast", "-o", str(recorded), f"--inherit-environ={inherited}")
            suites[name] = pyperf.Benchmark.load(str(recorded))
        words = _run("-m", "pyperf", "compare_to", *(str(Path(folder, f"{name}.json")) for name in suites))
    return "UNRESOLVED" if "not significant" in words else _beyond(suites["slower"].mean() / suites["same"].mean(), 0)


def _beyond(ratio: float, floor: float) -> str:
    return "SLOWER" if ratio > 1 + floor else "FASTER" if ratio < 1 / (1 + floor) else "SAME"


def _run(*arguments: str) -> str:
    """Standard output of Python with these arguments, with one thread like everybody; CalledProcessError if it fails."""
    environment = os.environ | ONE_THREAD | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


TOOLS: dict[str, Callable[[str, int], str]] = {
    "pytest-benchmark": _pytest_benchmark, "torch.utils.benchmark": _torch, "pyperf": _pyperf, "attention-harness": _ours,
}  # fmt: skip

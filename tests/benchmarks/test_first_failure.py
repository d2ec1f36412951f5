"""Seconds from the command to the first line that says what is wrong, beyond those of `import numpy`, over planted faults.

    python -m pytest tests/benchmarks/test_first_failure.py --benchmark-enable -s

Every twelfth fault that a command can name is tried, each beside a bare import. The figures are printed, and are in
`extra_info` of the benchmark: median and 95 % of the seconds, and how many faults the first stage did not meet.
"""

from __future__ import annotations

import subprocess
import sys
from time import perf_counter

import numpy as np

from attention_harness.audit.faults import load_all

EVERY = 12
IMPORT = [sys.executable, "-c", "import numpy"]


def seconds_of_the_import():
    start = perf_counter()
    subprocess.run(IMPORT, check=True)
    return perf_counter() - start


def seconds_to_the_first_failure(location, folder):
    """From the start of the command to the line; NaN where the command ends without one."""
    command = [sys.executable, "-m", "attention_harness", "check", location, "--quick", "--output", str(folder)]
    start = perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        failed = any(line.startswith(f"{location} ") for line in process.stderr)
        seconds = perf_counter() - start
        process.kill()
    return seconds if failed else np.nan


def test_seconds_to_the_first_failure(benchmark, tmp_path):
    faults = [fault for fault in load_all().values() if not fault.alone][::EVERY]
    seconds = []

    def each():
        for number, fault in enumerate(faults):
            seconds.append(seconds_to_the_first_failure(fault.location, tmp_path / str(number)) - seconds_of_the_import())

    benchmark.pedantic(each, rounds=1)
    figures = {
        "faults": len(faults),
        "median": round(float(np.nanmedian(seconds)), 2),
        "95 %": round(float(np.nanquantile(seconds, 0.95)), 2),
        "not met": int(np.isnan(seconds).sum()),
    }
    benchmark.extra_info |= figures
    print(figures)
    assert figures["not met"] <= 0.1 * len(faults)

"""Judgements per second of the processor, of all processes together: a default check beside the ordinary form of property tests.

    python -m pytest tests/benchmarks/test_judgements.py --benchmark-enable -s

The frameworks compile everything themselves: nothing of earlier runs is used.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import pandas as pd
import pytest

EXAMPLES = {"numpy-eager": 300, "torch-sdpa-math": 300, "jax-nn": 4}
"""Of the ordinary form, for each property: JAX compiles each of its shapes."""

ORDINARY_FORM = Path(__file__).with_name("ordinary_form.py")
COLD = os.environ | {"ATTENTION_HARNESS_CACHE": "off"}


def processor_time(*command):
    """Seconds of a command with its processes, and what it prints."""
    before = getrusage(RUSAGE_CHILDREN)
    printed = subprocess.run([sys.executable, *map(str, command)], check=True, capture_output=True, text=True, env=COLD).stdout
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, printed


@pytest.mark.parametrize("name", EXAMPLES)
def test_judgements_per_second_of_the_processor(name, benchmark, tmp_path):
    pytest.importorskip({"numpy": "numpy", "torch": "torch", "jax": "jax"}[name.partition("-")[0]])
    rates = {}

    def both():
        seconds, judgements = processor_time(ORDINARY_FORM, name, EXAMPLES[name])
        rates["ordinary form"] = int(judgements) / seconds
        seconds, _ = processor_time("-m", "attention_harness", "check", name, "--output", tmp_path / "run")
        rates["check"] = pd.read_parquet(tmp_path / "run" / "checks.parquet")["cases"].sum() / seconds

    benchmark.pedantic(both, rounds=1)
    benchmark.extra_info |= {kind: round(rate, 2) for kind, rate in rates.items()}
    print(f"\n| {name} | {rates['ordinary form']:.4g} | {rates['check']:.4g} | {rates['check'] / rates['ordinary form']:.3g} |")

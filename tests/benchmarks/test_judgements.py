"""Judgements per second of the processor, of all processes together: a default check beside the ordinary form of property tests.

    python -m pytest tests/benchmarks/test_judgements.py --benchmark-enable -s

The frameworks compile everything themselves. The driver is all but the process of the implementation.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

EXAMPLES = {"numpy-eager": 300, "torch-sdpa-math": 300, "jax-nn": 20}
"""Of the ordinary form, for each property: JAX compiles each of its shapes."""

ORDINARY_FORM = Path(__file__).with_name("ordinary_form.py")


@pytest.mark.parametrize("name", EXAMPLES)
def test_judgements_per_second_of_the_processor(name, benchmark, python, harness, tmp_path):
    pytest.importorskip(name.partition("-")[0])
    rates = {}

    def both():
        ordinary = python(ORDINARY_FORM, name, EXAMPLES[name])
        rates["ordinary form"] = int(ordinary.printed) / ordinary.processor
        check = harness("check", name, "--output", tmp_path / "run")
        rates["check"] = pd.read_parquet(tmp_path / "run" / "checks.parquet")["cases"].sum() / check.processor

    benchmark.pedantic(both, rounds=1)
    benchmark.extra_info |= {kind: round(rate, 2) for kind, rate in rates.items()}
    print(f"\n| {name} | {rates['ordinary form']:.4g} | {rates['check']:.4g} | {rates['check'] / rates['ordinary form']:.3g} |")

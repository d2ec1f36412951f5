"""Kernels in an interpreter on a CPU: Pallas in interpret mode, Triton under TRITON_INTERPRET=1; a right one agrees, its twin does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from attention_harness.conformance.check import check
from attention_harness.conformance.settings import Settings
from attention_harness.registry.targets import resolve
from attention_harness.runs.run import plan_of

HERE = Path(__file__).parent / "own_forms"

KERNELS = {
    "of_pallas.py:mha": "jax",
    "of_pallas.py:mha_without_its_last_block": "jax",
    "of_triton.py:attention": "triton",
    "of_triton.py:attention_without_its_tail": "triton",
}
"""Kernel -> the package that it needs."""


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
def test_the_first_stage_tells_kernels_apart(name, tmp_path, monkeypatch):
    pytest.importorskip(KERNELS[name])
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    settings = Settings(first_stage=True, dtypes=("float32",), properties=("output_agrees_with_the_oracle",))
    checked = check(resolve([f"{HERE / name}"])[0], plan_of(settings, tmp_path))
    assert checked.right == ("without" not in name), [row.message for row in checked.rows if row.outcome.wrong]
    assert {row.outcome for row in checked.rows if row.clause == "P4"} == {"agrees" if checked.right else "violates"}

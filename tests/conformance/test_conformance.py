"""Every implementation by every property: one test each, all fed by one run.

    pytest -m conformance tests/conformance -k numpy-eager

ATTENTION_HARNESS_EXAMPLES is the number of drawn cases.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from attention_harness.conformance.check import load_properties
from attention_harness.conformance.records import CheckRow
from attention_harness.conformance.settings import Settings
from attention_harness.registry.targets import registered, spec_by_name
from attention_harness.runs.run import Run, check
from attention_specs.property import properties_of

pytestmark = pytest.mark.conformance

EXAMPLES = int(os.environ.get("ATTENTION_HARNESS_EXAMPLES", "60"))


AT_NIGHT = ("jax-pallas-gpu", "jax-pallas-tpu-flash", "jax-pallas-tpu-splash", "torch-compiled-flex")
"""Rows that compile for a minute; each has its quick check in the environment of its framework."""


def cells() -> Iterator[object]:
    """(implementation, property), known without importing any framework."""
    load_properties()
    for target in registered():
        marks = [pytest.mark.nightly] if target.name in AT_NIGHT else []
        for property_ in properties_of(spec_by_name(target.name)):
            yield pytest.param(target.name, property_.name, marks=marks)


@pytest.fixture(scope="session")
def rows(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[CheckRow]]:
    """Implementation -> its rows, of those that are asked for."""
    wanted = {item.callspec.params["name"] for item in request.session.items if "property_" in item.fixturenames}  # type: ignore[attr-defined]
    run = Run(tmp_path_factory.mktemp("conformance"), {"examples": EXAMPLES})
    checked = check([target for target in registered() if target.name in wanted], Settings(examples=EXAMPLES), run)
    return {result.name: result.rows for result in checked}


@pytest.mark.parametrize(("name", "property_"), list(cells()))
def test_conformance(name: str, property_: str, rows: dict[str, list[CheckRow]]) -> None:
    absent = [row for row in rows[name] if not row.property]
    if absent and absent[0].outcome == "unavailable":
        pytest.skip(absent[0].message)
    cell = [row for row in rows[name] if row.property == property_]
    wrong = [f"{row.outcome}: {row.message}\nreplay: {row.replay}" for row in absent + cell if row.outcome.wrong]
    assert not wrong, "\n".join(wrong)
    if known := [row.message for row in cell if row.outcome == "waived"]:
        pytest.xfail(known[0])  # strict all the same: a waiver that is not needed any more is a row that violates
    if not any(row.outcome == "agrees" for row in cell):
        pytest.skip(next((f"{row.outcome}: {row.message}" for row in cell), "vacuous: no case of this run applies"))

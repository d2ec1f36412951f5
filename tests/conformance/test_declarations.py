"""The declarations of shipped implementations agree with a probe."""

from __future__ import annotations

import pytest

from attention_harness import probe
from attention_harness.errors import CallFailed, Outcome
from attention_harness.probe.report import DIFFERS, OWED, REFUTED
from attention_harness.process.limits import Limits
from attention_harness.registry.targets import registered, resolve, spec_by_name

SHIPPED = [t.name for t in registered() if not t.name.startswith("torch-cuda") and spec_by_name(t.name) != "merge"]
"""Probe asks no merge: what it declares, `check` judges."""


@pytest.mark.conformance
@pytest.mark.parametrize("name", SHIPPED)
def test_the_declarations_that_are_shipped_are_found(name):
    try:
        probed = probe.probe(resolve([name])[0], 0, Limits(60.0))
    except CallFailed as error:
        if error.outcome != Outcome.UNAVAILABLE:
            raise
        pytest.skip(str(error))
    assert probed.matches, [(f.name, f.value, f.evidence) for f in probed.having(OWED, REFUTED, DIFFERS)]

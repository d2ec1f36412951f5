"""The declarations of shipped implementations agree with a probe."""

from __future__ import annotations

import pytest

from attention_harness import probe
from attention_harness.errors import CallFailed, Outcome
from attention_harness.probe.report import DIFFERS, OWED, REFUTED
from attention_harness.process.limits import Limits
from attention_harness.registry.targets import registered, resolve, spec_by_name

SLOW = tuple(f"attention_implementations.{place}" for place in ("jax.", "triton.", "torch.compiled_flex"))
"""Each shape is compiled, or an interpreter runs the kernel: a probe has hundreds of calls, which is minutes. One of these rows
is probed with the others, the rest at night."""


def shipped():
    """The names of rows that are probed here; a merge is checked, not probed."""
    for target in registered():
        if ".cuda." not in target.location and spec_by_name(target.name) != "merge":
            at_night = target.location.startswith(SLOW) and target.name != "jax-einsum"
            yield pytest.param(target.name, marks=[pytest.mark.nightly] if at_night else [])


@pytest.mark.conformance
@pytest.mark.parametrize("name", list(shipped()))
def test_the_declarations_that_are_shipped_are_found(name):
    try:
        probed = probe.probe(resolve([name])[0], 0, Limits(60.0))
    except CallFailed as error:
        if error.outcome != Outcome.UNAVAILABLE:
            raise
        pytest.skip(str(error))
    assert probed.matches, [(f.name, f.value, f.evidence) for f in probed.having(OWED, REFUTED, DIFFERS)]

"""What shipped implementations declare is what a probe finds."""

from __future__ import annotations

import pytest

from harness import probing
from harness.isolation import Limits
from harness.probing.declaring import DIFFERS, OWED, REFUTED
from harness.targets import registered, resolve

SHIPPED = [target.name for target in registered() if not target.name.startswith("torch-cuda")]


@pytest.mark.conformance
@pytest.mark.parametrize("name", SHIPPED)
def test_the_declarations_that_are_shipped_are_found(name):
    probed = probing.probe(resolve([name])[0], 0, Limits(60.0))
    assert probed.matches, [(f.name, f.value, f.evidence) for f in probed.having(OWED, REFUTED, DIFFERS)]

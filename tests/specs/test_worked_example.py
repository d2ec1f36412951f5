"""The worked example: the published digits are the oracle's, and an implementation that is off in the last digits is rejected."""

from types import SimpleNamespace

import numpy as np
import pytest

from attention_specs import worked_example
from attention_specs.attention import spec as attention
from attention_specs.contract import Conventions
from attention_specs.multi_head import spec as multi_head
from attention_specs.property import PROPERTIES

SPECS = {"attention": (attention, "worked_example"), "multi-head": (multi_head, "layer_worked_example")}
CASES = [pytest.param(spec, case, id=f"{spec}-{case.problem.dtype}") for spec in SPECS for case in worked_example.CASES[spec]]


def judged(spec, case, spoil=lambda out: out):
    module, name = SPECS[spec]
    x = module.realise(case)
    expected = module.expect(x, Conventions(), None)

    class Attend(SimpleNamespace):
        def __call__(self, x):
            return spoil(expected.out.astype(x.dtype))

    assert PROPERTIES[name].needs(x)
    return PROPERTIES[name].check(Attend(expected=lambda x: expected), x)


@pytest.mark.parametrize(("spec", "case"), CASES)
def test_the_oracle_gives_the_published_digits(spec, case):
    assert judged(spec, case).holds


@pytest.mark.parametrize(("spec", "case"), CASES)
@pytest.mark.parametrize("spoil", [lambda out: out * (1 + 64 * np.finfo(out.dtype).eps), lambda out: out[..., ::-1]])
def test_other_digits_are_rejected(spec, case, spoil):
    assert not judged(spec, case, spoil).holds

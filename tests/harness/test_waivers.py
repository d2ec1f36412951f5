"""A waiver turns one known failure into `waived`, nothing else, and is an error once its case no longer fails."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from harness.conformance import load_claims
from harness.records import BLAMELESS, CheckRow
from harness.waivers import Waiver, load, outlived, waived
from implementations import numpy_eager
from specs.contract import OPTIONS, declares
from specs.problem import Case, Problem

NAME = "output_agrees_with_the_oracle"
WAIVER = Waiver("numpy-eager", NAME, "violates", "it halves", "https://example.org/1", Case(Problem(key_length=2)))
ROW = CheckRow(
    "numpy-eager", "numpy", "0", "cpu", "float32", "attention", NAME, "P4", "violates", 3, 0, 9.0, 0.1, "id", "out=1", "replay"
)  # fmt: skip
load_claims()


@declares(options=OPTIONS)
def halves(q, k, v, **options):
    return numpy_eager.attention(q, k, v, **options) / q.dtype.type(2)


@declares(options=OPTIONS)
def raises(q, k, v, **options):
    raise RuntimeError("no")


def test_the_shipped_waivers_load_and_each_says_why_and_where():
    waivers = load()
    assert all(w.reason and w.link.startswith("https://") and w.outcome not in BLAMELESS for w in waivers)
    assert len({(w.implementation, w.property) for w in waivers}) == len(waivers)


def test_a_known_failure_is_waived_with_its_reason():
    (row,) = waived([ROW], [WAIVER])
    assert (row.outcome, row.message) == ("waived", "it halves (https://example.org/1): out=1")
    assert row.replay == ROW.replay


@pytest.mark.parametrize("change", [{"outcome": "crashed"}, {"property": "weights_sum_to_one"}, {"outcome": "agrees"}])
def test_nothing_else_is_waived(change):
    other = replace(ROW, **change)
    assert list(waived([other], [WAIVER])) == [other]


def test_a_waiver_is_needed_as_long_as_its_case_fails(subject_of):
    assert outlived(subject_of(halves), [WAIVER]) == {}


@pytest.mark.parametrize(("function", "outcome"), [(numpy_eager.attention, "agrees"), (raises, "errored")])
def test_a_waiver_whose_case_does_otherwise_is_an_error(function, outcome, subject_of):
    with np.errstate(all="ignore"):
        message = outlived(subject_of(function), [WAIVER])[NAME]
    assert f"={outcome}, but should be violates: remove it from implementations/waivers.toml" in message


@pytest.mark.parametrize(
    ("change", "said"),
    [({"property": "nothing"}, "property=nothing, but should be one of"), ({"reason": None}, "fields of Waiver")],
)
def test_a_waiver_that_is_incomplete_is_refused(change, said, tmp_path):
    entry = {"implementation": "a", "property": NAME, "outcome": "violates", "reason": "b", "link": "c"} | change
    lines = [f"{name} = {json.dumps(value)}" for name, value in entry.items() if value is not None]
    case = 'case = { spec = "attention", problem = {}, recipe = "normal", seed = 0, layouts = {} }'
    path = tmp_path / "waivers.toml"
    path.write_text("\n".join(["[[waiver]]", *lines, case]))
    with pytest.raises(ValueError, match=said):
        load(path)

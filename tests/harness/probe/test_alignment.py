"""Where rules count from, told from answers to calls with and without lengths."""

import pytest

from attention_harness.audit.conforming import conforming
from attention_harness.audit.faults import load_all
from attention_harness.probe.experiments import EXPERIMENTS
from attention_harness.probe.session import NOTHING, ProbeSession

RULES = ("causal_alignment", "window_alignment")


@pytest.fixture
def sides(subject_of):
    """Function -> the observed side of each rule."""

    def find(function):
        session = ProbeSession(subject_of(function), 0)
        first = [EXPERIMENTS[name] for name in ("dtypes", "window") if name in EXPERIMENTS]
        observations = {one.name: one for experiment in (*first, *map(EXPERIMENTS.get, RULES)) for one in experiment(session)}
        return {name: observations[name] for name in RULES}

    return find


@pytest.mark.parametrize("causal", ["top-left", "bottom-right"])
@pytest.mark.parametrize("window", ["top-left", "bottom-right"])
def test_a_right_function_with_lengths_is_told(causal, window, sides):
    observed = sides(conforming(causal_alignment=causal, window_alignment=window, empty_rows="nan"))
    assert {name: one.value for name, one in observed.items()} == dict(zip(RULES, (causal, window), strict=True))
    assert "with query_lengths and key_lengths" in observed["causal_alignment"].evidence


def test_one_that_counts_from_the_longest_entry_fits_no_side(sides):
    observed = sides(load_all()["declared_bottom_right_is_that_of_the_longest_entry"].function)
    assert {one.value for one in observed.values()} == {NOTHING}

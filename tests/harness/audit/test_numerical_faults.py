"""Numerical faults are rejected by the number of examples of a default run, whatever the seed."""

from __future__ import annotations

import json

import pytest

from attention_harness.audit.faults import precision, scales
from attention_harness.cli.app import main
from attention_harness.conformance.judging import fails
from attention_specs.property import PROPERTIES

pytestmark = pytest.mark.slow

AGREES = "output_agrees_with_the_oracle"
FAULTS = {
    precision.inputs_are_rounded_to_tf32: AGREES,
    precision.weights_are_rounded_to_bfloat16: AGREES,
    precision.the_exponential_is_off_by_one_in_ten_thousand: AGREES,
    precision.the_exponential_is_off_by_one_in_a_million: AGREES,
    precision.the_denominator_has_an_epsilon: AGREES,
    precision.small_weights_are_flushed: AGREES,
    precision.weights_below_one_in_a_million_are_flushed: "weights_read_off_agree_with_the_oracle",
    precision.float64_is_computed_in_float32: AGREES,
    precision.float64_has_the_exponential_of_float32: AGREES,
    scales.the_scale_is_rounded_to_half_precision: AGREES,
    scales.float16_products_overflow_before_they_are_scaled: "products_may_be_large_before_they_are_scaled",
}


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_default_run_rejects_it(fault, seed, subject_of, cases_of):
    under_test, property_ = subject_of(fault), PROPERTIES[FAULTS[fault]]
    findings = (fails(under_test, property_, case) for case in cases_of(seed)["attention"])
    assert "violates" in {finding.outcome for finding in findings if finding}


def test_a_finding_of_a_whole_run_names_the_command_that_shows_it_again(tmp_path, capsys):
    target, name = "attention_harness.audit.faults.precision:sixteen_bit_outputs_are_cut_off", "errors_have_no_preferred_sign"
    options = ["--property", name, "--dtype", "float16", "--examples", "40", "--seed", "3"]
    assert main(["check", target, *options, "--output", str(tmp_path), "--json"]) == 1
    (row,) = (row for row in json.loads(capsys.readouterr().out)["checks"] if row["property"] == name)
    assert (row["outcome"], row["case"]) == ("violates", "")
    assert "of the bound towards zero" in row["message"]
    assert row["replay"] == f"attention-harness check {target} --property {name} --examples 40 --seed 3"

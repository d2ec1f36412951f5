"""Cheats on the timing: none gets a ratio, and those whose outputs are wrong are INVALID on any machine.

A machine that is very busy leaves the others UNRESOLVED; on a quiet one `python -m attention_harness.timing.validation cheats`
calls every one INVALID.
"""

from __future__ import annotations

import pytest

from attention_harness.timing.validation import cheats, known_speed, trials

pytestmark = pytest.mark.slow

BY_OUTPUT = {
    "early": "but should be", "tiring": "but should be", "lazy": "output=Lazy", "by_shape": "but should be",
    "by_address": "but should be", "by_a_part": "but should be", "after_the_warm_up": "but should be",
    "looking_at_the_stack": "but should be", "looking_at_the_collector": "but should be", "later_in_a_thread": "but should be",
}  # fmt: skip
BY_TIME = {
    "keeping": "outputs are kept", "signing_again": "outputs are kept but for signs", "slowing_the_clock": "its clock is slow",
    "lying_about_slots": "its clock is slow", "in_a_hurry": "",
}  # fmt: skip
TARGETS = {target.name: target for target in trials.all_cheats()}


def row_of(target):
    (row,) = trials.session([target], ["bert-base-128"], 1.0, 3, processes=1)
    return row


def test_every_cheat_is_tried():
    assert TARGETS.keys() == BY_OUTPUT.keys() | BY_TIME.keys()
    assert set(cheats.CHEATS) <= TARGETS.keys()


@pytest.mark.parametrize("name", BY_OUTPUT)
def test_a_wrong_output_is_invalid(name):
    row = row_of(TARGETS[name])
    assert row["verdict"] == "INVALID" and BY_OUTPUT[name] in str(row["reason"]), row


@pytest.mark.parametrize("name", BY_TIME)
def test_a_cheat_with_right_outputs_has_no_ratio(name):
    row = row_of(TARGETS[name])
    assert row["verdict"] in ("INVALID", "UNRESOLVED"), row
    assert row["verdict"] == "UNRESOLVED" or BY_TIME[name] in str(row["reason"]), row


def test_the_baseline_beside_itself_is_not_accused():
    row = row_of(known_speed.target("same"))
    assert row["verdict"] in ("SAME", "UNRESOLVED") and "undecided" not in str(row["reason"]), row

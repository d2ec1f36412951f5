"""Cheats on correctness, a file each: none agrees, and the message names the trick where it can be known.

Beside them honest files that look alike: they agree.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from attention_harness.process import sandbox

HERE = Path(__file__).parent
pytestmark = pytest.mark.slow

OWN = "an implementation has to compute its answer itself"
CAUGHT = {
    "alias": ("violates", "but should be"),
    "array_protocol": ("errored", "output=Later, but should be numpy.ndarray"),
    "environment": ("violates", "=0, but should be"),
    "exits": ("crashed", "exited with status 0"),
    "forged_answer": ("crashed", "an answer that nobody asked for"),
    "forged_description": ("crashed", r"the description is forged: name=\.\./\.\./outside"),
    "judges_itself": ("violates", f"it calls attention_harness.*: {OWN}"),
    "kept_and_changed": ("violates", "but should be"),
    "kept_by_a_part": ("violates", "only after other calls"),
    "kept_by_pointer": ("violates", "but should be"),
    "kept_by_shape": ("violates", "but should be"),
    "kills_the_judge": ("violates", "=0, but should be"),
    "knows_the_check": ("violates", "=0, but should be"),
    "memory_of_the_judge": ("violates", "=0, but should be"),
    "not_a_number": ("violates", "=nan, but should be"),
    "objects": ("violates", "dtype of out=object"),
    "oracle": ("violates", f"it calls attention_specs.attention.oracle.expected: {OWN}"),
    "oracle_at_import": ("violates", f"it calls attention_specs.attention.spec.expect: {OWN}"),
    "oracle_behind_the_guard": ("violates", f"it reads .*oracle.py: {OWN}"),
    "oracle_in_a_child": ("violates", "=0, but should be"),
    "oracle_without_the_import_system": ("violates", f"it reads .*oracle.py: {OWN}"),
    "patched_numpy": ("violates", "=0, but should be"),
    "patched_server": ("violates", "changed inputs=q, but should be none"),
    "refuses_the_hard_ones": ("too-little", ""),
    "rows_that_nobody_looks_at": ("violates", "=7, but should be"),
    "leaves_startup_files": ("violates", "=0, but should be"),
    "subclass": ("errored", "output=Agreeable, but should be numpy.ndarray"),
    "tires": ("violates", "=0, but should be"),
    "writes_later": ("violates", "=0, but should be"),
}
"""Cheat -> its outcome, and what a message says."""

NEED_LANDLOCK = ("kills_the_judge", "oracle_behind_the_guard", "oracle_in_a_child", "oracle_without_the_import_system")
LEFT = ("sitecustomize.py", "usercustomize.py", "cheat.pth")


FILES = {path.stem: path for folder in ("answers", "attacks") for path in (HERE / folder).glob("*.py")}
"""`answers` are wrong and want to be taken for right ones; `attacks` go at the judge, its process and its files."""


def test_every_file_is_tried():
    assert FILES.keys() == CAUGHT.keys()


@pytest.mark.parametrize("name", CAUGHT)
def test_a_cheat_does_not_agree(name, judged):
    if name in NEED_LANDLOCK and not sandbox.version():
        pytest.skip("this kernel has no Landlock")
    outcome, words = CAUGHT[name]
    seen = judged(str(FILES[name].relative_to(HERE).with_suffix("")))
    assert not seen.right and not seen.ours
    assert seen.outcomes[outcome], seen
    assert not words or seen.says(words), seen.messages
    assert not [path for path in FILES[name].parent.iterdir() if path.name in LEFT]
    assert os.environ.get("CHEAT") is None


@pytest.mark.parametrize("name", sorted(path.stem for path in (HERE / "honest").glob("*.py")))
def test_an_honest_file_agrees(name, judged):
    seen = judged(f"honest/{name}")
    assert seen.right, seen.messages

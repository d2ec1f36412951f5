"""The check of one file, as the command `check --quick` makes it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from attention_harness.conformance.check import check, load_properties
from attention_harness.conformance.settings import Settings
from attention_harness.registry.targets import Target
from attention_harness.runs.run import plan_of

HERE = Path(__file__).parent
collect_ignore = ["answers", "attacks", "honest"]


@dataclass(frozen=True)
class Judged:
    """The outcomes of a file, with their numbers, and all messages."""

    outcomes: Counter[str]
    messages: str
    right: bool
    ours: bool

    def says(self, words: str) -> bool:
        """Whether a message has these words, a regular expression."""
        return re.search(words, self.messages) is not None


@pytest.fixture
def judged(tmp_path: Path) -> Callable[..., Judged]:
    """`judged("honest/slow")`."""
    load_properties()

    def judge(name: str) -> Judged:
        settings = Settings(dtypes=("float32",), first_stage=True, fail_fast=True, jobs=1, seconds=10.0, memory=2048)
        target = Target(name, f"{HERE / name}.py:attention", registered=False)
        result = check(target, plan_of(settings, tmp_path / "run"))
        rows = [row for row in result.rows if row.outcome.wrong or row.outcome in ("agrees", "too-little")]
        outcomes = Counter(str(row.outcome) for row in rows)
        messages = "\n".join(row.message for row in rows if row.outcome.wrong)
        return Judged(outcomes + Counter({"too-little": int(result.too_little)}), messages, result.right, result.ours)

    return judge

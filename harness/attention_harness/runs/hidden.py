"""A check whose cases stay hidden from whoever reads its results: outcomes and counts, but no case, number or replay line.

The rows lose them before anything is written, so that no table, page or document has them. What the check itself needs lies
meanwhile in a folder for its user alone, which goes with the check.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import nan
from pathlib import Path
from tempfile import TemporaryDirectory

from attention_harness.conformance.plan import CheckResult
from attention_harness.conformance.records import CheckRow
from attention_harness.errors import Outcome
from attention_harness.runs import ending
from attention_harness.runs.run import Progress, Run


@contextmanager
def private_run() -> Iterator[Run]:
    """A run in a folder that other users cannot read, and that goes away, also when the command is interrupted."""
    with TemporaryDirectory(prefix="attention-harness-", ignore_cleanup_errors=True) as folder:
        ending.hide(Path(folder))
        yield Run(Path(folder), {})


def without_cases(result: CheckResult) -> CheckResult:
    """The result without cases, messages, readings, replay lines and errors. Messages go as a whole: a function may write them."""
    return replace(result, rows=[_bare(row, result) for row in result.rows], precision=[], worked_example=[])


def _bare(row: CheckRow, result: CheckResult) -> CheckRow:
    return replace(row, worst_ratio=nan, case="", message=_message(row, result), replay="", others=[], looks_like="")


def _message(row: CheckRow, result: CheckResult) -> str:
    """The reason of an implementation that was asked no case, and the counts of one that refused most; else none."""
    if result.description is None:
        return row.message
    return f"{result.answered} of {result.asked} cases answered" if row.outcome == Outcome.TOO_LITTLE else ""


def without_cases_in(progress: Progress) -> Progress:
    """The progress, which hears of a failure the outcome and the property alone."""
    return replace(
        progress,
        failed=lambda name, sentence: progress.failed(name, ": ".join(sentence.split(": ")[:2])),
        done=lambda checked: progress.done(without_cases(checked)),
    )

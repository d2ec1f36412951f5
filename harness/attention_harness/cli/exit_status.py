"""Exit statuses of the commands, and the status that follows from the results of a check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from attention_harness.errors import Outcome
from attention_harness.runs import ending

if TYPE_CHECKING:
    from attention_harness.conformance.plan import CheckResult

RIGHT, WRONG, BAD_CALL, NOTHING, INTERRUPTED = 0, 1, 2, 3, 130


def status_of(results: Sequence[CheckResult]) -> int:
    """The status of a check with these results."""
    if any(result.ours for result in results):
        return ending.OURS
    if any(result.wrong for result in results):
        return WRONG
    judged = any(row.outcome == Outcome.AGREES for result in results for row in result.rows)
    judged = judged and not any(result.too_little for result in results)
    return RIGHT if judged else NOTHING


def status_of_shard(results: Sequence[CheckResult]) -> int:
    """The status of a shard: whether its part was asked. Only all parts together say whether an implementation is right."""
    if any(result.ours for result in results):
        return ending.OURS
    return RIGHT if any(result.description for result in results) else NOTHING

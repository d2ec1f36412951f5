"""The command `compare`: changes from one run to another."""

from __future__ import annotations

from attention_harness.cli.exit_status import NOTHING, RIGHT, WRONG
from attention_harness.cli.options import ComparisonFolder, Json, RunA, RunB


def compare(before: RunA, after: RunB, output: ComparisonFolder = None, as_json: Json = False) -> int:
    """Changes from run A to run B: outcomes, and times with intervals. Exit 1 if something broke or became slower."""
    import attention_reports as reports
    from attention_harness.cli import comparison

    result = reports.Comparison(comparison.load(before), comparison.load(after))
    comparison.present(result, output or after, as_json)
    return WRONG if result.worse else RIGHT if result.compared else NOTHING

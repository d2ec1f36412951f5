"""The command `probe`: conventions and precision of one implementation, by experiment."""

from __future__ import annotations

import sys

from attention_harness.cli.exit_status import NOTHING, RIGHT, WRONG
from attention_harness.cli.options import Declare, Json, Memory, ProbeTarget, Seed, Timeout, settings_of
from attention_harness.cli.output import print_json
from attention_harness.cli.selection import loadable
from attention_harness.conformance.settings import Settings
from attention_harness.errors import CallFailed, UsageError
from attention_harness.process.limits import Limits
from attention_harness.registry.targets import Target, resolve


def probe(
    target: ProbeTarget, seed: Seed = 0, timeout: Timeout = 30.0, memory: Memory = 6144, declare: Declare = None, as_json: Json = False,
) -> int:  # fmt: skip
    """Conventions and precision by experiment, and the declaration to paste."""
    from rich.console import Console

    from attention_harness import probe as probing
    from attention_harness.runs.progress import status_line

    settings = settings_of(None, seed, None, None, "1", timeout, memory, "local", declare)
    chosen = _one(target, settings)
    try:
        with status_line("probing", quiet=as_json) as progress:
            report = probing.probe(chosen, seed, Limits(timeout, memory), progress)
    except CallFailed as failure:
        print(f"{chosen.name}: {failure.outcome}: {failure}", file=sys.stderr)
        return NOTHING
    if as_json:
        print_json(report.to_json())
    else:
        probing.show(report, Console())
    return WRONG if report.wrong else RIGHT if report.answered else NOTHING


def _one(name: str, settings: Settings) -> Target:
    """The one target of this name. Raises UsageError for several, and for a function that cannot be loaded."""
    targets = loadable(resolve([name], settings.attributes), settings)
    if len(targets) > 1:
        raise UsageError(f"target={name}, but should be one of {', '.join(target.name for target in targets)}")
    return targets[0]

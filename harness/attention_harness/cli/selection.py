"""Targets of a command, once the settings and every function given by its place are known to be usable."""

from __future__ import annotations

from collections.abc import Sequence

from attention_harness.conformance.settings import Settings
from attention_harness.errors import CallFailed, UsageError
from attention_harness.process.limits import Limits
from attention_harness.process.worker import Worker
from attention_harness.registry.targets import Target


def loadable(targets: Sequence[Target], settings: Settings) -> list[Target]:
    """The targets. Raises UsageError for settings that are wrong, and for a function given by its place that cannot be loaded."""
    from attention_harness.runs import run as running

    running.validate(settings)
    for target in targets:
        if not target.registered:
            _require(target, Limits(settings.seconds, settings.memory))
    return list(targets)


def _require(target: Target, limits: Limits) -> None:
    with Worker(target, limits) as worker:
        try:
            worker.description()
        except CallFailed as failure:
            raise UsageError(str(failure)) from failure

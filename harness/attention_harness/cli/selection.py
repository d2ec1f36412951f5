"""Targets of a command, once the settings and every function given by its place are known to be usable."""

from __future__ import annotations

from collections.abc import Sequence

from attention_harness.conformance.settings import Settings
from attention_harness.errors import CallFailed, NotLoaded
from attention_harness.process import compilation_cache
from attention_harness.process.limits import Limits
from attention_harness.process.worker import Worker, load_ahead
from attention_harness.registry.targets import Target


def loadable(targets: Sequence[Target], settings: Settings, ask_here: bool = True) -> list[Target]:
    """The targets. With `ask_here`, workers keep what they compile, and this process asks a single one in the worker that has loaded it.

    Raises UsageError for settings that are wrong, NotLoaded for a function given by its place that cannot be loaded."""
    from attention_harness.runs import run as running

    running.validate(settings)
    if ask_here:
        compilation_cache.open_cache()
    for target in targets:
        if not target.registered:
            _require(target, settings.limits, ask_here and len(targets) == 1 and settings.executor == "local")
    return list(targets)


def _require(target: Target, limits: Limits, keep: bool) -> None:
    try:
        if keep:
            load_ahead(target, limits)
            return
        with Worker(target, limits) as worker:
            worker.description()
    except CallFailed as failure:
        raise NotLoaded(str(failure)) from failure

"""Targets of a command, once the settings and every function given by its place are known to be usable."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from attention_harness.conformance.settings import Settings
from attention_harness.errors import CallFailed, NotLoaded
from attention_harness.process import compilation_cache
from attention_harness.process.limits import Limits
from attention_harness.process.worker import Worker, load_ahead
from attention_harness.registry.targets import Target
from attention_specs.contract import Description


def loadable(targets: Sequence[Target], settings: Settings, ask_here: bool = True) -> list[Target]:
    """The targets. With `ask_here`, workers keep what they compile, and this process asks a single one in the worker that has loaded it.

    What was taken without a declaration is printed. Raises UsageError for settings that are wrong, NotLoaded for a function given by
    its place that cannot be loaded.
    """
    from attention_harness.runs import run as running

    running.validate(settings)
    if ask_here:
        compilation_cache.open_cache()
    for target in targets:
        if not target.registered:
            keep = ask_here and len(targets) == 1 and settings.executor == "local"
            for note in _required(target, settings.limits, keep).notes:
                print(f"{target.name}: {note}", file=sys.stderr)
    return list(targets)


def _required(target: Target, limits: Limits, keep: bool) -> Description:
    try:
        if keep:
            return load_ahead(target, limits)
        with Worker(target, limits) as worker:
            return worker.description()
    except CallFailed as failure:
        raise NotLoaded(str(failure)) from failure

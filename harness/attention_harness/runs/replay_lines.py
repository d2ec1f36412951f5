"""Lines that judge a property again, without any file of the run: a call for a function object, a command for a name."""

from __future__ import annotations

import shlex

from attention_harness.conformance.settings import Settings
from attention_harness.registry.sources import written
from attention_specs.formats import DTYPES


def call_line(name: str, settings: Settings, ids: list[str]) -> str:
    """The call of `check_attention` that judges these properties again, or all, on the same cases."""
    given = {
        "properties": ids,
        "examples": settings.examples,
        "seed": settings.seed,
        "dtypes": [] if settings.dtypes == DTYPES else list(settings.dtypes),
        "declare": settings.declared,
    }
    options = ", ".join(f"{option}={value!r}" for option, value in given.items() if value not in ([], {}))
    return f"check_attention({name}, {options})"


def command_line(name: str, settings: Settings, properties: list[str]) -> str:
    """The command `check` that judges these properties again, or all, on the same cases."""
    given = {
        "--property": properties,
        "--dtype": [] if settings.dtypes == DTYPES else list(settings.dtypes),
        "--declare": written(settings.declared),
    }
    options = [word for option, values in given.items() for value in values for word in (option, value)]
    return shlex.join(["attention-harness", "check", name, *options, *settings.drawing.split()])

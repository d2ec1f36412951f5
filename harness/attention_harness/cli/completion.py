"""Completion of the command line in a shell: the script that a shell reads, and the names that are completed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Annotated

import typer

from attention_harness.errors import UsageError

COMMAND, VARIABLE = "attention-harness", "_ATTENTION_HARNESS_COMPLETE"
SHELLS = ("bash", "zsh", "fish")


def begin() -> None:
    """Knows the shells, where one of them asks for words."""
    if VARIABLE in os.environ:
        _shells_known()


def _shells_known() -> None:
    from typer.completion import completion_init  # type: ignore[attr-defined]  # imported there for use

    completion_init()


def print_script(shell: str | None) -> None:
    """Prints the script of a shell and ends the command, if one is named. UsageError for another shell."""
    if shell is None:
        return
    if shell not in SHELLS:
        raise UsageError(f"print-completion={shell}, but should be one of {', '.join(SHELLS)}")
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    print(get_completion_script(prog_name=COMMAND, complete_var=VARIABLE, shell=shell))
    raise typer.Exit


Completion = Annotated[
    str | None,
    typer.Option("--print-completion", metavar="SHELL", callback=print_script, is_eager=True,
                 help=f"The script that completes words in {', '.join(SHELLS)}, and no more."),
]  # fmt: skip


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def implementations(incomplete: str) -> list[str]:
    """Registered names; a shell completes files by itself where there are none."""
    from attention_harness.registry.targets import registered

    return _beginning((target.name for target in registered()), incomplete)


def properties(incomplete: str) -> list[str]:
    """Names and ids."""
    from attention_harness.conformance.check import load_properties
    from attention_specs.property import PROPERTIES

    load_properties()
    return _beginning((word for one in PROPERTIES.values() for word in (one.name, one.id)), incomplete)


def workloads(incomplete: str) -> list[str]:
    """Names of those that come along."""
    from attention_harness.timing.workloads import by_file

    return _beginning(by_file(), incomplete)

"""Help: examples of each command, the option `--version`, and completion in a shell: its script, and the names that are completed."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from typing import Annotated

import typer

from attention_harness.errors import UsageError

EXAMPLES = {
    "list": ["list", "list 'torch-*' --json"],
    "check": [
        "check mine.py:attention --quick",
        "check mine.py:attention --property P4 --property 'M*'",
        "check 'numpy-*' --examples 1500 --output run",
        "check mine.py:attention --verdict verdict.json --hide-cases",
        "check mine.py:attention --seed secret",
        "check mine.py:attention --shard 3/16 --output part-3",
    ],
    "merge": ["merge part-1 part-2 part-3 part-4 --output whole"],
    "bench": ["bench mine.py:attention --quick", "bench 'torch-*' --baseline torch-eager --workload gpt2-small-512"],
    "run": ["run", "run 'numpy-*' --budget 2m"],
    "report": ["report run"],
    "compare": ["compare before after"],
    "matrix": ["matrix run", "matrix cpu gpu --output page --before last/matrix.json"],
    "replay": ["replay run/cases/mine.py_attention-P4-c9ac5bfc85bd.json"],
    "probe": ["probe mine.py:attention"],
    "audit": ["audit --quick", "audit mutants.py --only 'scale*'"],
    "new": ["new mine", "new kernels/mine.py --framework torch --form multi_head"],
    "properties": ["properties", "properties P4 'M*'", "properties --json"],
}
"""Command -> the words behind `attention-harness`."""


def examples(command: str) -> str:
    """The examples of a command, a paragraph for each, so that each keeps its line."""
    return "\n\n".join(["Examples:", *(f"  attention-harness {words}" for words in EXAMPLES[command])])


PACKAGES = ("numpy", "torch", "jax")
"""Those that `--version` names beside our own, if they are installed."""


def print_version(wanted: bool) -> None:
    """Prints one line and ends the command, if that is wanted."""
    if not wanted:
        return
    from attention_harness.runs.environment import version_of

    packages = [f"{name} {version}" for name in PACKAGES if (version := version_of(name))]
    around = ", ".join([f"Python {platform.python_version()}", *packages])
    print(f"attention-harness {version_of('attention-harness') or 'unknown'} ({around})")
    raise typer.Exit


COMMAND, VARIABLE = "attention-harness", "_ATTENTION_HARNESS_COMPLETE"
SHELLS = ("bash", "zsh", "fish")


def begin_completion() -> None:
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

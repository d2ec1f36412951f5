"""Help: examples of each command, and the option `--version`."""

from __future__ import annotations

import platform

import typer

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

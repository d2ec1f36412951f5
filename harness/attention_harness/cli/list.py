"""The command `list`: the implementations, loaded in other processes, each with its description or the reason why there is none."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import attention_implementations
from attention_harness.cli.exit_status import RIGHT
from attention_harness.cli.options import Json, Targets
from attention_harness.cli.output import print_json
from attention_harness.errors import CallFailed
from attention_harness.process.kept_descriptions import recall, remember
from attention_harness.process.worker import descriptions
from attention_harness.registry.targets import Target, library_of, resolve
from attention_specs.contract import Description

if TYPE_CHECKING:
    from rich.console import Console

AT_ONCE = 4

DECLARED = re.compile(r'framework="(\w+)"')


def list_(targets: Targets = None, as_json: Json = False) -> int:
    """Implementations with framework, version, device and declarations; or why they are not available."""
    from rich.console import Console

    entries = described(resolve(targets or []))
    if as_json:
        print_json({"implementations": [entry.to_json() for entry in entries]})
    else:
        show(entries, Console())
    return RIGHT


@dataclass(frozen=True)
class Listed:
    """An implementation: its description, or the reason why there is none."""

    name: str
    framework: str
    description: Description | None = None
    reason: str = ""

    def to_json(self) -> dict[str, object]:
        """Its description with `available`, or its name and framework with the reason."""
        described = self.description.to_json() if self.description else {"name": self.name, "framework": self.framework}
        return {**described, "available": self.description is not None, "reason": self.reason}

    def cells(self) -> list[str]:
        """Its row of a table: name, framework, device, state, and declarations."""
        d = self.description
        if d is None:
            return [self.name, self.framework, "", f"unavailable: {self.reason}", ""]
        return [d.name, f"{d.framework} {d.version}", d.device, "available", _declared(d)]


def described(targets: Sequence[Target]) -> list[Listed]:
    """One entry for each target. Ours are remembered until something is installed or changed."""
    known = recall()
    ours = {target.name for target in targets if _framework(target)}
    asked = _asked([target for target in targets if target.name not in ours & known.keys()])
    if ours & asked.keys():
        remember({**known, **{name: answer for name, answer in asked.items() if name in ours}})
    return [_listed(target, asked.get(target.name) or known[target.name]) for target in targets]


def _asked(targets: Sequence[Target]) -> dict[str, Description | CallFailed]:
    """The answer of each. Our own of one framework share a process, since torch takes a second to import.

    They import what takes longer, such as transformers, in their first call.
    """
    groups: dict[str, list[Target]] = defaultdict(list)
    for target in targets:
        groups[_framework(target) or target.name].append(target)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = pool.map(lambda group: [*zip(group, descriptions(group), strict=True)], groups.values())
        return {target.name: answer for pairs in answers for target, answer in pairs}


def _framework(target: Target) -> str:
    """What the file of an implementation of ours declares as its framework, or else its folder; "" for any other target.

    Nothing is imported for it. Foreign implementations do not share a process.
    """
    module = target.location.rpartition(":")[0]
    if not target.registered or not (folder := library_of(module)):
        return ""
    (package,) = map(Path, attention_implementations.__path__)
    file = package.joinpath(*module.split(".")[1:]).with_suffix(".py")
    declared = DECLARED.search(file.read_text(encoding="utf-8"))
    return declared[1] if declared else folder


def _listed(target: Target, answer: Description | CallFailed) -> Listed:
    if isinstance(answer, CallFailed):
        framework = _framework(target) or (target.name.partition("-")[0] if target.registered else "")
        return Listed(target.name, framework, reason=str(answer))
    return Listed(answer.name, answer.framework, answer)


def show(entries: Sequence[Listed], console: Console) -> None:
    """A table on a terminal, one line each elsewhere."""
    from rich.table import Table
    from rich.text import Text

    if not console.is_terminal:
        for entry in entries:
            console.print(Text("  ".join(entry.cells())), soft_wrap=True)
        return
    table = Table(*("implementation", "framework", "device", "state", "declares"))
    for entry in entries:
        table.add_row(*map(Text, entry.cells()), style="" if entry.description else "dim")
    console.print(table)


def _declared(description: Description) -> str:
    options, empty = ", ".join(description.options), description.conventions.empty_rows
    precision = ", ".join(f"{dtype} {model}" for dtype, model in description.precision.items())
    return "; ".join(part for part in (options, precision, "" if empty == "zeros" else f"empty rows {empty}") if part)

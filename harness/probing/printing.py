"""What was found, for people: a table on a terminal, lines elsewhere; then the declaration as Python to paste."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.probing.declaring import COULD, DIFFERS, MATCHES, REFUTED, UNTOLD, Probed
from harness.probing.experiments import Found

STYLES = {MATCHES: "", COULD: "cyan", REFUTED: "bold red", DIFFERS: "bold red", UNTOLD: "dim"}


def show(probed: Probed, console: Console) -> None:
    """The findings with their evidence, what is declared now, and what could be."""
    if console.is_terminal:
        console.print(_table(probed))
    else:
        for found in probed.found:
            console.print(Text(f"{_stance(probed, found)}  ({found.evidence})"), soft_wrap=True)
    for line in closing(probed):
        console.print(Text(line), soft_wrap=True)


def _table(probed: Probed) -> Table:
    table = Table("", "found", "declared", "", "evidence", title=probed.target.name)
    for found in probed.found:
        verdict = probed.verdict(found)
        cells = (found.name, shown(found.value), shown(probed.declared(found)), verdict, found.evidence)
        table.add_row(*map(Text, cells), style=STYLES[verdict])
    return table


def _stance(probed: Probed, found: Found) -> str:
    verdict = probed.verdict(found)
    declared = f", declared {shown(probed.declared(found))}" if verdict in (COULD, REFUTED) else ""
    return f"{found.name}: {shown(found.value)}  {verdict}{declared}"


def shown(value: Any) -> str:
    """A value as it is read, not as it is written in Python."""
    if value is None:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(inner)}" for name, inner in value.items())
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def closing(probed: Probed) -> Iterator[str]:
    """What no declaration can say, then the declaration."""
    for found in probed.contradictions():
        if probed.verdict(found) == DIFFERS and found.name != "layout":
            yield f"differs from the specification: {found.name}: {found.value} (fixed: {found.fixed}); wrap it"
        if found.value is None:
            yield f"differs from the specification: {found.name}: no declaration says what it does; {found.evidence}"
    yield from declaration(probed)


def declaration(probed: Probed) -> Iterator[str]:
    """Python that can be pasted below the function."""
    declared = probed.declaration()
    if not probed.answered:
        yield "Nothing to declare: no plain call was answered. Arrays of another framework than NumPy's are asked for by `framework`."
    elif not declared:
        yield "Nothing to declare: the defaults are right."
    for name, value in declared.items():
        yield f"{_function(probed)}.{name} = {_quoted(value)}"


def _quoted(value: Any) -> str:
    """Python, in double quotes as formatters have it."""
    return repr(value).replace("'", '"')


def _function(probed: Probed) -> str:
    own = probed.target.location.rpartition(":")[2]
    return own or ("multi_head" if probed.description.spec == "multi-head" else "attention")

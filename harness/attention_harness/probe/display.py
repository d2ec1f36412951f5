"""What was found, for people: a table on a terminal, lines elsewhere; then the declaration as Python to paste."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from attention_harness.probe.experiments import ANSWER, Observation
from attention_harness.probe.report import COULD, DIFFERS, MATCHES, NOTED, OWED, REFUTED, UNTOLD, Probed
from attention_harness.probe.session import NOTHING

STYLES = {MATCHES: "", NOTED: "", COULD: "cyan", OWED: "yellow", REFUTED: "bold red", DIFFERS: "bold red", UNTOLD: "dim"}


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
    table = Table("", "found", "held to", "", "evidence", title=probed.target.name)
    for found in probed.found:
        verdict = probed.verdict(found)
        cells = (found.name, shown(found.value), _held(probed, found), verdict, found.evidence)
        table.add_row(*map(Text, cells), style=STYLES[verdict])
    return table


def _held(probed: Probed, found: Observation) -> str:
    """The declared value, the default without one, or what the specification fixes; nothing where there is neither."""
    held = probed.held(found)
    if held is None:
        return ""
    whose = "which says:" if found.kind == "fixed" else "declared" if probed.is_declared(found) else "default"
    return f"{whose} {shown(held)}"


def _stance(probed: Probed, found: Observation) -> str:
    verdict = probed.verdict(found)
    held = _held(probed, found) if verdict in (COULD, OWED, REFUTED, DIFFERS) else ""
    return f"{found.name}: {shown(found.value)}  {verdict}{held and f', {held}'}"


def shown(value: Any) -> str:
    """A value as it is read, not as it is written in Python."""
    if value is None:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{name} ({shown(v)})" if isinstance(v, dict) else f"{name} {shown(v)}" for name, v in value.items())
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def closing(probed: Probed) -> Iterator[str]:
    """What no declaration can say, then the declaration."""
    for found in probed.having(DIFFERS):
        wanted = f", but should be {found.fixed}" if found.kind == "fixed" else ""
        what = "no model" if found.kind == "precision" else shown(found.value)
        yield f"no declaration says this: {found.name}={what}{wanted}; {_advice(found)}"
    yield from declaration(probed)


def _advice(found: Observation) -> str:
    """The next step."""
    if found.value in (None, NOTHING):
        return "`check` shows where it is wrong"
    return "mend the function" if found.fixed == ANSWER else "wrap the function"


def declaration(probed: Probed) -> Iterator[str]:
    """Python that can be pasted below the function."""
    declared = probed.declaration()
    if not probed.answered:
        yield f"Nothing to declare: no plain call was answered.{FOREIGN if _speaks_of_arrays(probed) else ''}"
    elif not declared:
        yield "Nothing to declare: the defaults are right."
    for name, value in declared.items():
        yield f"{_function(probed)}.{name} = {_quoted(value)}"


FOREIGN = ' If it takes arrays of another framework than NumPy, declare that: `attention.framework = "torch"`, or "jax".'
ARRAYS = re.compile(r"\btensors?\b|ndarray|torch|jax|\bdevice\b", re.IGNORECASE)
"""Words of exceptions about the type of an array."""


def _speaks_of_arrays(probed: Probed) -> bool:
    """Whether what was said to NumPy arrays is about their type."""
    return probed.description.framework == "numpy" and any(ARRAYS.search(found.evidence) for found in probed.found)


def _quoted(value: Any) -> str:
    """Python, in double quotes as formatters have it."""
    return repr(value).replace("'", '"')


def _function(probed: Probed) -> str:
    own = probed.target.location.rpartition(":")[2]
    return own or ("multi_head" if probed.description.spec == "multi-head" else "attention")

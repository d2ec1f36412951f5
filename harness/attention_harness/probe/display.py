"""Observations for people: a table on a terminal, lines elsewhere; then the declaration as Python to paste."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from attention_harness.probe.experiments import ANSWER, Observation
from attention_harness.probe.report import COULD, DIFFERS, MATCHES, NOTED, OWED, REFUTED, UNTOLD, ProbeReport
from attention_harness.probe.session import NOTHING

STYLES = {MATCHES: "", NOTED: "", COULD: "cyan", OWED: "yellow", REFUTED: "bold red", DIFFERS: "bold red", UNTOLD: "dim"}


def show(report: ProbeReport, console: Console) -> None:
    """The observations with their evidence, the present declaration, and a better one."""
    if console.is_terminal:
        console.print(_table(report))
    else:
        for observation in report.observations:
            console.print(Text(f"{_stance(report, observation)}  ({observation.evidence})"), soft_wrap=True)
    for line in closing(report):
        console.print(Text(line), soft_wrap=True)


def _table(report: ProbeReport) -> Table:
    table = Table("", "observed", "expected", "", "evidence", title=report.target.name)
    for observation in report.observations:
        verdict = report.verdict(observation)
        cells = (observation.name, text_of(observation.value), _expectation(report, observation), verdict, observation.evidence)
        table.add_row(*map(Text, cells), style=STYLES[verdict])
    return table


def _expectation(report: ProbeReport, observation: Observation) -> str:
    """The declared value, the default without one, or the one that the specification fixes; nothing where there is none."""
    expected = report.expected(observation)
    if expected is None:
        return ""
    whose = "which says:" if observation.kind == "fixed" else "declared" if report.is_declared(observation) else "default"
    return f"{whose} {text_of(expected)}"


def _stance(report: ProbeReport, observation: Observation) -> str:
    verdict = report.verdict(observation)
    expected = _expectation(report, observation) if verdict in (COULD, OWED, REFUTED, DIFFERS) else ""
    return f"{observation.name}: {text_of(observation.value)}  {verdict}{expected and f', {expected}'}"


def text_of(value: object) -> str:
    """A value in words, without Python's signs."""
    if value is None:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{name} ({text_of(v)})" if isinstance(v, dict) else f"{name} {text_of(v)}" for name, v in value.items())
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def closing(report: ProbeReport) -> Iterator[str]:
    """Behaviours that no declaration covers, then the declaration."""
    for observation in report.having(DIFFERS):
        wanted = f", but should be {observation.fixed}" if observation.kind == "fixed" else ""
        what = "no model" if observation.kind == "precision" else text_of(observation.value)
        yield f"no declaration says this: {observation.name}={what}{wanted}; {_advice(observation)}"
    yield from declaration(report)


def _advice(observation: Observation) -> str:
    """The next step."""
    if observation.value in (None, NOTHING):
        return "`check` shows where it is wrong"
    return "fix the function" if observation.fixed == ANSWER else "wrap the function"


def declaration(report: ProbeReport) -> Iterator[str]:
    """Python that can be pasted below the function."""
    declared = report.declaration()
    if not report.answered:
        yield f"Nothing to declare: no plain call was answered.{FOREIGN if _speaks_of_arrays(report) else ''}"
    elif not declared:
        yield "Nothing to declare: the defaults are right."
    for name, value in declared.items():
        yield f"{_function(report)}.{name} = {_quoted(value)}"


FOREIGN = ' If it takes arrays of another framework than NumPy, declare that: `attention.framework = "torch"`, or "jax".'
ARRAYS = re.compile(r"\btensors?\b|ndarray|torch|jax|\bdevice\b", re.IGNORECASE)
"""Words of exceptions about the type of an array."""


def _speaks_of_arrays(report: ProbeReport) -> bool:
    """Whether an exception about NumPy arrays is about their type."""
    return report.description.framework == "numpy" and any(
        ARRAYS.search(observation.evidence) for observation in report.observations
    )


def _quoted(value: object) -> str:
    """Python, in double quotes as formatters have it."""
    return repr(value).replace("'", '"')


def _function(report: ProbeReport) -> str:
    own = report.target.location.rpartition(":")[2]
    return own or ("multi_head" if report.description.spec == "multi-head" else "attention")

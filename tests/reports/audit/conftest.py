"""A made-up audit with one of everything: a survivor, an accusation, a vacuous property, other checks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Rows = list[dict[str, Any]]
NAMES = {"C11": "layout and axes confused", "C12": "tail of the last block", "C15": "NaN that spreads", "C18": "attention sinks"}
PROPERTIES = {
    "every_problem_is_answered": ("P1", "attention"), "output_agrees_with_the_oracle": ("P4", "attention"),
    "query_rows_are_independent": ("R5", "attention"), "nan_values_show": ("S2", "attention"),
    "weights_sum_to_one": ("W1", "attention"), "layer_agrees_with_the_oracle": ("L4", "multi-head"),
}  # fmt: skip
KILLS = {
    "last_block_is_forgotten": ["output_agrees_with_the_oracle", "query_rows_are_independent", "nan_values_show"],
    "the_tail_reads_garbage": ["output_agrees_with_the_oracle"],
    "reads_past_the_end": ["every_problem_is_answered"],
    "nan_stays_in_its_row": ["nan_values_show", "query_rows_are_independent"],
    "the_sink_has_a_value": [],
    "weights_are_transposed": ["layer_agrees_with_the_oracle"],
}
FAULTS = {
    "last_block_is_forgotten": ("C12", "pytorch/xla#8671", "violates", 1), "the_tail_reads_garbage": ("C12", "", "violates", 3),
    "reads_past_the_end": ("C12", "in a forum", "crashed", 5), "nan_stays_in_its_row": ("C15", "jax-ml/jax@bd9a10e4eb", "errored", 40),
    "the_sink_has_a_value": ("C18", "", "", 171), "weights_are_transposed": ("C11", "", "violates", 2),
}  # fmt: skip
FAILURES = [
    "survivors=the_sink_has_a_value, but should be none",
    "output_agrees_with_the_oracle of scores in 16 bits=out[0]=1, but should hold: it is sound [dim=8]",
    "query_rows_are_independent of scores in 16 bits=out[1]=2, but should hold: it is sound [dim=8]",
    "vacuous cases of query_rows_are_independent=25%, but should be at most 20%",
]


def metadata(quick: bool = False, failures: list[str] | None = None) -> dict[str, Any]:
    """run.json of an audit that was completed."""
    line = f"attention-harness audit{' --quick' if quick else ''}"
    return {
        "schema": 1, "command_line": line, "arguments": {"command": "audit", "quick": quick, "seed": 0, "examples": 150}, "complete": True,
        "started": "2026-11-22T21:30:00+00:00", "seconds": 600.0, "environment": {"python": "3.11.7"}, "notes": [],
        "audit": {"quick": quick, "failures": FAILURES if failures is None else failures},
        "properties": [
            {"name": name, "clause": id, "spec": spec, "summary": f"What {id} says."} for name, (id, spec) in PROPERTIES.items()
        ],
    }  # fmt: skip


def fault_rows(quick: bool = False) -> Rows:
    """One row for each fault."""
    return [_fault(name, *given, quick) for name, given in FAULTS.items()]


def _fault(name: str, family: str, link: str, outcome: str, cases: int, quick: bool) -> dict[str, Any]:
    killers = KILLS[name][: 1 if quick else None]
    killed_by = killers[0] if killers else ""
    return {
        "fault": name, "family": family, "family_name": NAMES[family], "link": link,
        "spec": "multi-head" if family == "C11" else "attention", "killed_by": killed_by,
        "clause": PROPERTIES[killed_by][0] if killed_by else "", "outcome": outcome, "dtype": "float32" if killed_by else "",
        "cases": cases, "seconds": cases / 100, "killers": len(killers), "case": "dim=8 causal" if killed_by else "",
        "message": "out[0]=1, but should be 2" if killed_by else "",
    }  # fmt: skip


def kill_rows(quick: bool = False) -> Rows:
    """One row for each fault and property that rejects it."""
    return [
        {"fault": fault, "property": name, "clause": PROPERTIES[name][0], "outcome": "violates", "dtype": "float32", "cases": 1, "seconds": 0.1}
        for fault, names in KILLS.items()
        for name in names[: 1 if quick else None]
    ]  # fmt: skip


def control_rows() -> Rows:
    """Three controls, of which two properties accuse one."""
    accusers = {
        "eager": [""],
        "online": [""],
        "scores in 16 bits": ["output_agrees_with_the_oracle", "query_rows_are_independent"],
    }
    return [
        {"name": name, "accused_by": accuser, "clause": PROPERTIES[accuser][0] if accuser else "", "cases": 171, "seconds": 2.5,
         "case": "dim=8" if accuser else "", "message": "out[0]=1, but should be 2" if accuser else ""}
        for name, names in accusers.items()
        for accuser in names
    ]  # fmt: skip


def vacuity_rows() -> Rows:
    """One property could too often tell nothing, one sometimes, the others always."""
    vacuous = {"query_rows_are_independent": 25, "nan_values_show": 10}
    return [
        {"spec": spec, "property": name, "clause": id, "cases": 100 - vacuous.get(name, 0), "vacuous": vacuous.get(name, 0),
         "share": vacuous.get(name, 0) / 100}
        for name, (id, spec) in PROPERTIES.items()
    ]  # fmt: skip


def other_check_rows() -> Rows:
    """Three other checks, one of which could not be run."""
    return [
        {"check": "KernelBench", "source": "five random inputs", "faults_found": 1, "faults": 5, "false_alarms": 0, "controls": 3, "seconds": 9.0, "missing": ""},
        {"check": "ONNX vectors", "source": "published vectors", "faults_found": 0, "faults": 0, "false_alarms": 0, "controls": 0, "seconds": 0.0, "missing": "no module named onnx"},
        {"check": "by hand", "source": "assert_close", "faults_found": 3, "faults": 5, "false_alarms": 2, "controls": 3, "seconds": 70.0, "missing": ""},
    ]  # fmt: skip


def tables(quick: bool = False) -> dict[str, Rows]:
    """All tables of an audit; the quick one asks no other checks."""
    recorded = {"faults": fault_rows(quick), "kills": kill_rows(quick), "controls": control_rows(), "vacuity": vacuity_rows()}
    coverage = [{"region": "mask", "value": value, "cases": cases} for value, cases in (("causal", 90), ("window", 0))]
    return {**recorded, "coverage": coverage, **({} if quick else {"other_checks": other_check_rows()})}


@pytest.fixture
def audit(make_run: Callable[..., Path]) -> Path:
    """A complete audit."""
    return make_run(metadata(), **tables())


@pytest.fixture
def quick_audit(make_run: Callable[..., Path]) -> Path:
    """The same, each fault until its first rejection."""
    return make_run(metadata(quick=True), **tables(quick=True))


@pytest.fixture
def make_audit(make_run: Callable[..., Path]) -> Callable[..., Path]:
    """`make_audit(faults=2, survivors=1, accused=1, further=["..."], complete=True)`: an audit with so many of each."""

    def make(
        faults: int, survivors: int = 0, accused: int = 0, further: tuple[str, ...] = (), controls: int = 2, complete: bool = True
    ) -> Path:
        rows = [{"fault": f"fault_{i}", "family": "C01", "killed_by": "" if i < survivors else "p"} for i in range(faults)]
        others = [{"name": f"sound {i}", "accused_by": "p" if i < accused else ""} for i in range(controls)]
        failures = [*(["survivors"] if survivors else []), *(["accusation"] * accused), *further]
        frames = {name: listed for name, listed in (("faults", rows), ("controls", others)) if listed}
        return make_run({**metadata(failures=failures), "complete": complete}, **frames)

    return make

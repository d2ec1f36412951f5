"""The records of an audit: tables for the report, the document of `--json`, and the reasons why it fails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict

from attention_harness.audit.audit import Examined
from attention_harness.audit.selection import Entry, Selection
from attention_harness.audit.trials import Kill
from attention_specs.property import PROPERTIES, Property

MOST_VACUOUS = 0.2
"""Share of the cases of a property that may be vacuous."""

Row = Mapping[str, str | float]
Rows = Sequence[Row]


def fault_row(fault: Entry, result: Examined) -> Row:
    """The property that rejected a fault first, after how many cases and seconds; nothing for a survivor."""
    attributes = {name: getattr(fault, name) for name in ("family", "family_name", "link", "spec")}
    kill = result.first or Kill("", "", "", "", result.cases, result.seconds, "", "")
    columns = {name: value for name, value in asdict(kill).items() if name != "property"}
    return {"fault": fault.name, **attributes, "killers": len(result.kills), "killed_by": kill.property, **columns}


def fault_rows(selection: Selection, examined: Iterable[Examined]) -> Rows:
    """One row for each fault, in the order of the selection."""
    results = {result.name: result for result in examined}
    return [fault_row(fault, results[fault.name]) for fault in selection.faults if fault.name in results]


def kill_rows(selection: Selection, examined: Iterable[Examined]) -> Rows:
    """The kill matrix: one row for each fault and property that rejected it."""
    names = {fault.name for fault in selection.faults}
    kills = [(result.name, asdict(kill)) for result in examined if result.name in names for kill in result.kills]
    return [{"fault": name, **{column: kill[column] for column in MATRIX}} for name, kill in kills]


MATRIX = ("property", "clause", "outcome", "dtype", "cases", "seconds")


def control_rows(selection: Selection, examined: Iterable[Examined]) -> Rows:
    """One row for each control, with the property that accuses it; more where several do."""
    names = {control.name for control in selection.controls}
    return [row for result in examined if result.name in names for row in _accusations(result)]


def _accusations(result: Examined) -> Iterator[Row]:
    effort: Row = {"name": result.name, "cases": result.cases, "seconds": result.seconds}
    kills = [(kill.property, kill.clause, kill.case, kill.message) for kill in result.kills]
    for accuser, clause, case, message in kills or [("", "", "", "")]:
        yield {**effort, "accused_by": accuser, "clause": clause, "case": case, "message": message}


def vacuity_rows(selection: Selection, examined: Iterable[Examined]) -> Rows:
    """Property -> the share of vacuous cases, of the control for which that is least."""
    names = {control.name for control in selection.controls if control.turn is None}
    best: dict[str, tuple[int, int]] = {}
    for result in examined:
        if result.name in names:
            for name, (cases, vacuous) in result.seen.items():
                best[name] = min((cases, vacuous), best.get(name, (cases, vacuous)), key=share)
    return [_vacuity_row(property_, *best[name]) for name, property_ in PROPERTIES.items() if name in best]


def _vacuity_row(property_: Property, cases: int, vacuous: int) -> Row:
    columns = {"spec": property_.spec, "property": property_.name, "clause": property_.id}
    return {**columns, "cases": cases, "vacuous": vacuous, "share": share((cases, vacuous))}


def share(seen: tuple[int, int]) -> float:
    """Vacuous cases among all that were seen."""
    return seen[1] / max(sum(seen), 1)


def survivors(faults: Rows) -> list[str]:
    """Why an audit fails: faults that nothing rejected."""
    names = [str(row["fault"]) for row in faults if not row["killed_by"]]
    return [f"survivors={', '.join(names)}, but should be none"] if names else []


def accusations(controls: Rows) -> list[str]:
    """Why an audit fails: controls that a property rejected."""
    return [
        f"{row['accused_by']} of {row['name']}={row['message']}, but should hold: it is a control [{row['case']}]"
        for row in controls
        if row["accused_by"]
    ]


def vacuous(vacuity: Rows) -> list[str]:
    """Why an audit fails: properties with too many vacuous cases."""
    return [
        f"vacuous cases of {row['property']}={row['share']:.0%}, but should be at most {MOST_VACUOUS:.0%}"
        for row in vacuity
        if float(row["share"]) > MOST_VACUOUS
    ]


def holes(coverage: Rows) -> list[str]:
    """Why an audit fails: regions that the specification promises and no case reached."""
    return [f"cases of {row['region']} {row['value']}=0, but should be some" for row in coverage if not row["cases"]]


def document(faults: Rows, controls: Rows, untried: str) -> dict[str, object]:
    """The document of `--json`; `untried` says which controls are missing, and why."""
    accusers = {row["name"]: row["accused_by"] or None for row in reversed(controls)}
    return {
        "faults": [
            {"fault": row["fault"], "class": row["family"], "killed_by": row["killed_by"] or None}
            | {name: row[name] for name in ("cases", "seconds")}
            for row in faults
        ],
        "sound": [{"name": name, "accused_by": accuser} for name, accuser in reversed(accusers.items())],
        "untried": untried,
    }

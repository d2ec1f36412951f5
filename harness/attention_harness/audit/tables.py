"""What an audit writes down: tables for the report, the document of `--json`, and what makes it fail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from attention_harness.audit.audit import Examined
from attention_harness.audit.conforming import declaring
from attention_harness.audit.controls import CONTROLS
from attention_harness.audit.faults import Fault, load_all
from attention_harness.audit.faults._families import FAMILIES
from attention_harness.audit.trials import Kill
from attention_specs.property import PROPERTIES, Property

MOST_VACUOUS = 0.2
"""Share of the cases of a property that may tell nothing."""

Rows = list[dict[str, Any]]


def fault_row(fault: Fault, found: Examined) -> dict[str, Any]:
    """What rejected a fault first, after how many cases and seconds; nothing for a survivor."""
    family = {"family": fault.family, "family_name": FAMILIES[fault.family]}
    facts = {"fault": fault.name, **family, "link": fault.link, "spec": fault.spec, "killers": len(found.kills)}
    kill = found.first or Kill("", "", "", "", found.cases, found.seconds, "", "")
    return {**facts, "killed_by": kill.property, **{name: value for name, value in asdict(kill).items() if name != "property"}}


def fault_rows(examined: Iterable[Examined]) -> Rows:
    """One row for each fault, in the order of the catalogue."""
    found = {e.name: e for e in examined}
    return [fault_row(fault, found[name]) for name, fault in load_all().items() if name in found]


def kill_rows(examined: Iterable[Examined]) -> Rows:
    """The kill matrix: one row for each fault and property that rejected it."""
    kills = [(e.name, asdict(kill)) for e in examined if not _is_control(e) for kill in e.kills]
    return [{"fault": name, **{fact: kill[fact] for fact in MATRIX}} for name, kill in kills]


MATRIX = ("property", "clause", "outcome", "dtype", "cases", "seconds")


def control_rows(examined: Iterable[Examined]) -> Rows:
    """One row for each sound function, with the property that accuses it; more where several do."""
    return [row for e in examined if _is_control(e) for row in _accusations(e)]


def _accusations(e: Examined) -> Iterator[dict[str, Any]]:
    facts = {"name": e.name, "cases": e.cases, "seconds": e.seconds}
    for accuser, clause, case, message in [(k.property, k.clause, k.case, k.message) for k in e.kills] or [("", "", "", "")]:
        yield {**facts, "accused_by": accuser, "clause": clause, "case": case, "message": message}


def vacuity_rows(examined: Iterable[Examined]) -> Rows:
    """Property -> the share of cases that could tell nothing, of the sound function for which that is least."""
    best: dict[str, tuple[int, int]] = {}
    for e in examined:
        if e.name in CONTROLS:
            for name, (cases, vacuous) in e.seen.items():
                best[name] = min((cases, vacuous), best.get(name, (cases, vacuous)), key=share)
    return [_vacuity_row(property_, *best[name]) for name, property_ in PROPERTIES.items() if name in best]


def _vacuity_row(property_: Property, cases: int, vacuous: int) -> dict[str, Any]:
    facts = {"spec": property_.spec, "property": property_.name, "clause": property_.id}
    return {**facts, "cases": cases, "vacuous": vacuous, "share": share((cases, vacuous))}


def share(seen: tuple[int, int]) -> float:
    """Vacuous cases among all that were seen."""
    return seen[1] / max(sum(seen), 1)


def _is_control(examined: Examined) -> bool:
    return examined.name in CONTROLS or examined.name in declaring()


def survivors(faults: Rows) -> list[str]:
    """What makes an audit fail: faults that nothing rejected."""
    names = [row["fault"] for row in faults if not row["killed_by"]]
    return [f"survivors={', '.join(names)}, but should be none"] if names else []


def accusations(controls: Rows) -> list[str]:
    """What makes an audit fail: sound functions that something rejected."""
    return [
        f"{row['accused_by']} of {row['name']}={row['message']}, but should hold: it is sound [{row['case']}]"
        for row in controls
        if row["accused_by"]
    ]


def vacuous(vacuity: Rows) -> list[str]:
    """What makes an audit fail: properties that most often cannot tell right from wrong."""
    return [
        f"vacuous cases of {row['property']}={row['share']:.0%}, but should be at most {MOST_VACUOUS:.0%}"
        for row in vacuity
        if row["share"] > MOST_VACUOUS
    ]


def holes(coverage: Rows) -> list[str]:
    """What makes an audit fail: regions that the specification promises and no case reached."""
    return [f"cases of {row['region']} {row['value']}=0, but should be some" for row in coverage if not row["cases"]]


def document(faults: Rows, controls: Rows, untried: str) -> dict[str, Any]:
    """What `--json` prints; `untried` says which sound functions are missing, and why."""
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

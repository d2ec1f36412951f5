"""An audit from its names to its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fnmatch import filter as matching
from pathlib import Path
from typing import Any

from harness import conformance
from harness.agenda import agenda, vectors
from harness.auditing import rows
from harness.auditing.audit import audit, length
from harness.auditing.declaring import absent
from harness.auditing.sound import SOUND
from harness.conformance import Plan
from harness.coverage import drawn
from harness.faults import load_all
from harness.loading import describe
from harness.peers import compare
from harness.peers import load_all as known_peers
from harness.progress import counted
from harness.run import Run, Settings, property_facts
from harness.targets import UsageError


@dataclass(frozen=True)
class Audited:
    """What `--json` prints, and why the audit fails, if it does."""

    document: dict[str, Any]
    failures: list[str]


def named(wanted: Sequence[str]) -> list[str]:
    """The faults of these names or globs, in the order of the catalogue; all if none is named. Raises UsageError."""
    known = list(load_all())
    for pattern in wanted:
        if not matching(known, pattern):
            raise UsageError(f"fault={pattern}, but should be a name of the catalogue in harness/faults, or a glob over them")
    chosen = {name for pattern in wanted for name in matching(known, pattern)}
    return [name for name in known if name in chosen or not wanted]


def run(names: Sequence[str], settings: Settings, into: Run, quick: bool, peers: bool, quiet: bool) -> Audited:
    """Tries the faults, and writes the tables of the report."""
    conformance.load_claims()
    cases = agenda(settings.examples, settings.seed, settings.dtypes)
    plan = Plan(cases, Path(), vectors=vectors(()))
    with counted("auditing", length(plan, names, settings.jobs), quiet) as step:
        examined = list(audit(names, plan, quick, settings.jobs, step))
    tables = {
        "faults": rows.fault_rows(examined),
        "kills": rows.kill_rows(examined),
        "sound": rows.sound_rows(examined),
        "vacuity": rows.vacuity_rows(examined),
        "coverage": drawn(case for spec in cases.values() for case in spec),
    }
    if peers:
        tables["peers"] = _peers(names, settings, quiet)
    failures = [*rows.survivors(tables["faults"]), *rows.accusations(tables["sound"])]
    if settings.examples >= Settings().examples:  # fewer cannot be expected to reach everything
        failures += [*rows.holes(tables["coverage"]), *rows.vacuous(tables["vacuity"])]
    _write(into, tables)
    into.save(
        complete=True,
        properties=property_facts(),
        audit={"quick": quick, "failures": failures, "untried": absent()},
        seed=settings.seed,
    )
    return Audited(rows.document(tables["faults"], tables["sound"], absent()), failures)


def _write(into: Run, tables: dict[str, rows.Rows]) -> None:
    import pandas as pd

    import reports

    for name, found in tables.items():
        reports.write_table(into.folder, name, pd.DataFrame(found))


def _peers(names: Sequence[str], settings: Settings, quiet: bool) -> rows.Rows:
    """What the checks in use today make of the same attention faults and the same sound functions."""
    faults = [load_all()[name] for name in names]
    plain = {f.name: f.function for f in faults if not f.alone and _plain(f.function)}
    sound = {name: function for name, function in SOUND.items() if _plain(function)}
    with counted("checking as others do", len(known_peers()) * (len(plain) + len(sound)), quiet) as step:
        found = compare(plain, sound, settings.seed, step)
    return [asdict(row) for row in found]


def _plain(function: Any) -> bool:
    """An attention without gradients: what peers can be given."""
    described = describe(function, function.__name__)
    return described.spec == "attention" and not described.gradient

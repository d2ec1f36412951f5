"""An audit from its names to its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fnmatch import filter as matching
from pathlib import Path
from typing import Any

from attention_harness.audit import tables as rows
from attention_harness.audit.audit import audit, length
from attention_harness.audit.conforming import absent
from attention_harness.audit.controls import CONTROLS
from attention_harness.audit.faults import load_all
from attention_harness.audit.other_checks import compare
from attention_harness.audit.other_checks import load_all as known_checks
from attention_harness.conformance import check
from attention_harness.conformance.check import Plan
from attention_harness.errors import UsageError
from attention_harness.generation.coverage import drawn
from attention_harness.generation.suite import draw_suite, vectors
from attention_harness.registry.loading import describe
from attention_harness.runs.progress import progress_bar
from attention_harness.runs.run import Run, Settings, property_metadata


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
            raise UsageError(
                f"fault={pattern}, but should be a name of the catalogue in attention_harness.audit.faults, or a glob over them"
            )
    chosen = {name for pattern in wanted for name in matching(known, pattern)}
    return [name for name in known if name in chosen or not wanted]


def run(names: Sequence[str], settings: Settings, into: Run, quick: bool, other_checks: bool, quiet: bool) -> Audited:
    """Tries the faults, and writes the tables of the report."""
    check.load_properties()
    suites = draw_suite(settings.examples, settings.seed, settings.dtypes, vectors(()))
    plan = Plan(suites, Path())
    with progress_bar("auditing", length(plan, names, settings.jobs), quiet) as step:
        examined = list(audit(names, plan, quick, settings.jobs, step))
    tables = {
        "faults": rows.fault_rows(examined),
        "kills": rows.kill_rows(examined),
        "controls": rows.control_rows(examined),
        "vacuity": rows.vacuity_rows(examined),
        "coverage": drawn(case for suite in suites.values() for case in suite.cases),
    }
    if other_checks:
        tables["other_checks"] = _other_checks(names, settings, quiet)
    failures = [*rows.survivors(tables["faults"]), *rows.accusations(tables["controls"])]
    if settings.examples >= Settings().examples:  # fewer cannot be expected to reach everything
        failures += [*rows.holes(tables["coverage"]), *rows.vacuous(tables["vacuity"])]
    _write(into, tables)
    into.save(
        complete=True,
        properties=property_metadata(),
        audit={"quick": quick, "failures": failures, "untried": absent()},
        seed=settings.seed,
    )
    return Audited(rows.document(tables["faults"], tables["controls"], absent()), failures)


def _write(into: Run, tables: dict[str, rows.Rows]) -> None:
    import pandas as pd

    import attention_reports as reports

    for name, found in tables.items():
        reports.write_table(into.folder, name, pd.DataFrame(found))


def _other_checks(names: Sequence[str], settings: Settings, quiet: bool) -> rows.Rows:
    """What the checks in use today make of the same attention faults and the same sound functions."""
    faults = [load_all()[name] for name in names]
    plain = {f.name: f.function for f in faults if not f.alone and _plain(f.function)}
    controls = {name: function for name, function in CONTROLS.items() if _plain(function)}
    with progress_bar("checking as others do", len(known_checks()) * (len(plain) + len(controls)), quiet) as step:
        found = compare(plain, controls, settings.seed, step)
    return [asdict(row) for row in found]


def _plain(function: Any) -> bool:
    """An attention without gradients: what other checks can be given."""
    described = describe(function, function.__name__)
    return described.spec == "attention" and not described.gradient

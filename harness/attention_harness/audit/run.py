"""An audit from its names to its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from attention_harness.audit import tables as rows
from attention_harness.audit.audit import Examined, audit, length
from attention_harness.audit.other_checks import compare
from attention_harness.audit.other_checks import load_all as known_checks
from attention_harness.audit.own_file import from_file
from attention_harness.audit.selection import Function, Selection, from_catalogue
from attention_harness.conformance import check
from attention_harness.conformance.check import Plan
from attention_harness.conformance.settings import Settings
from attention_harness.errors import UsageError
from attention_harness.generation.coverage import drawn
from attention_harness.generation.suite import draw_suite, vectors
from attention_harness.registry.loading import describe
from attention_harness.runs.progress import progress_bar
from attention_harness.runs.run import Run, property_metadata


@dataclass(frozen=True)
class Audited:
    """The document of `--json`, and the reasons why the audit fails, if it does."""

    document: dict[str, object]
    failures: list[str]


def select(arguments: Sequence[str], only: Sequence[str], declared: Mapping[str, object], other_checks: bool) -> Selection:
    """The faults of the catalogue that the arguments name, or the functions of the file that they are. Raises UsageError."""
    file = next(
        (argument for argument in arguments if ".py" in (Path(argument).suffix, Path(argument.partition(":")[0]).suffix)), ""
    )
    if file and len(arguments) > 1:
        raise UsageError(f"fault={', '.join(arguments)}, but should be names of the catalogue, or one file alone")
    if file and not file.endswith(".py"):
        path, _, name = file.partition(":")
        raise UsageError(f"fault={file}, but should be {path} --only {name or 'NAME'}")
    given = {"other-checks": file and other_checks, "only": not file and only, "declare": not file and declared}
    for option, value in given.items():
        if value:
            words = "of the catalogue alone" if file else "for the functions of a file, FILE.py"
            raise UsageError(f"{option}, but should be {words}")
    return from_file(file, only, declared) if file else from_catalogue(arguments)


def run(selection: Selection, settings: Settings, into: Run, quick: bool, other_checks: bool, quiet: bool) -> Audited:
    """Tries the faults, and writes the tables of the report."""
    check.load_properties()
    suites = draw_suite(settings.examples, settings.seed, settings.dtypes, vectors(()))
    plan = Plan(suites, Path(), settings)
    with progress_bar("auditing", length(selection, plan, settings.jobs), quiet) as step:
        examined = _examined(selection, plan, quick, settings.jobs, step)
    tables = {
        "faults": rows.fault_rows(selection, examined),
        "kills": rows.kill_rows(selection, examined),
        "controls": rows.control_rows(selection, examined),
        "vacuity": rows.vacuity_rows(selection, examined),
        "coverage": drawn(case for suite in suites.values() for case in suite.cases),
    }
    if other_checks:
        tables["other_checks"] = _other_checks(selection, settings, quiet)
    failures = [*rows.survivors(tables["faults"]), *rows.accusations(tables["controls"])]
    if not selection.file and settings.examples >= Settings().examples:  # fewer cannot be expected to reach everything
        failures += [*rows.holes(tables["coverage"]), *rows.vacuous(tables["vacuity"])]
    _write(into, tables)
    into.save(
        complete=True,
        properties=property_metadata(),
        audit={"quick": quick, "failures": failures, "untried": selection.untried},
        seed=settings.seed,
    )
    return Audited(rows.document(tables["faults"], tables["controls"], selection.untried), failures)


def _examined(selection: Selection, plan: Plan, quick: bool, jobs: int, step: Callable[[str], None]) -> list[Examined]:
    """The result of each function. UsageError where one of a file ends the process of all."""
    if not selection.file:
        return list(audit(selection, plan, quick, jobs, step))
    with TemporaryDirectory() as folder:
        try:
            return list(audit(replace(selection, notes=Path(folder)), plan, quick, jobs, step))
        except BrokenProcessPool as error:
            names = " or ".join(sorted({note.read_text(encoding="utf-8") for note in Path(folder).iterdir()})) or "a function"
            words = f"{names} of {selection.file.name} ended the process that it shares with others"
            raise UsageError(f"{words}: ALONE = {{...}} in the file names functions that get a process of their own") from error


def _write(into: Run, tables: dict[str, rows.Rows]) -> None:
    import pandas as pd

    import attention_reports as reports

    for name, table_rows in tables.items():
        reports.write_table(into.folder, name, pd.DataFrame(table_rows))


def _other_checks(selection: Selection, settings: Settings, quiet: bool) -> rows.Rows:
    """The results of the checks in use today, on the same attention faults and the same controls."""
    functions = {entry.name: selection.functions()[entry.name] for entry in selection.entries if not entry.alone}
    plain = {entry.name: functions[entry.name] for entry in selection.faults if not entry.alone and _plain(functions[entry.name])}
    named = [entry.name for entry in selection.controls if entry.turn is None]
    controls = {name: functions[name] for name in named if _plain(functions[name])}
    with progress_bar("checking as others do", len(known_checks()) * (len(plain) + len(controls)), quiet) as step:
        results = compare(plain, controls, settings.seed, step)
    return [asdict(row) for row in results]


def _plain(function: Function) -> bool:
    """An attention without gradients: other checks can be given no other function."""
    described = describe(function, function.__name__)
    return described.spec == "attention" and not described.gradient

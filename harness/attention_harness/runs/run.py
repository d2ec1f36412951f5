"""A run: many implementations on one suite, in parallel, into one folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from shutil import rmtree
from time import monotonic
from types import MappingProxyType
from typing import IO
from weakref import finalize

from attention_harness.conformance import agreement, first_stage
from attention_harness.conformance import check as conformance
from attention_harness.conformance.check import CheckResult, Plan
from attention_harness.conformance.settings import Settings
from attention_harness.conformance.steps import step_records
from attention_harness.conformance.steps.share import parts_of
from attention_harness.errors import UsageError
from attention_harness.generation.coverage import coverage
from attention_harness.generation.suite import Later, absent, draw_suite, vectors
from attention_harness.generation.vectors import onnx_cases
from attention_harness.process import compilation_cache
from attention_harness.registry.targets import Target, spec_by_name
from attention_harness.runs import journal
from attention_harness.runs.environment import environment
from attention_harness.runs.executors import EXECUTORS
from attention_harness.runs.mutation_score import caught
from attention_specs.contract import Conventions, Description
from attention_specs.formats import DTYPES
from attention_specs.precision import held_to
from attention_specs.properties.statements import statements
from attention_specs.property import PROPERTIES, likely
from attention_specs.stopwatch import PARTS
from attention_specs.worked_example import EXPECTED, WORDS


@dataclass(frozen=True)
class Progress:
    """Called while a run goes on: with the name of an implementation that made a step, with its first failure, with its result;
    at the start with a function that counts the steps."""

    step: Callable[[str], None] = lambda name: None
    failed: Callable[[str, str], None] = lambda name, sentence: None
    done: Callable[[CheckResult], None] = lambda checked: None
    start: Callable[[Callable[[], int]], None] = lambda total: None

    def hear(self, name: str, sentence: str = "") -> None:
        """A step, or a failure."""
        if sentence:
            self.failed(name, sentence)
        else:
            self.step(name)


class Run:
    """The folder of a run. Finished results are written down at once, so that a killed run can be resumed.

    `withheld` are arguments that are written when the run is complete, and not before.
    """

    def __init__(
        self, folder: Path, arguments: dict[str, object], line: str = "", lock: IO[str] | None = None,
        withheld: Mapping[str, object] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        self.folder, self.began, self.arguments, self.withheld = folder, monotonic(), arguments, withheld
        if lock is not None:
            finalize(self, lock.close)
        self.metadata: dict[str, object] = {
            "schema": 1,
            "arguments": arguments,
            "command_line": line,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "environment": environment(),
            "compilation_cache": compilation_cache.at_start(),
            "complete": False,
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.save()
        except OSError as error:
            raise UsageError(f"output={folder}, but should be a folder that can be written to: {error.strerror}") from error

    def save(self, **metadata: object) -> None:
        """Adds metadata and writes run.json."""
        self.metadata |= {**metadata, "seconds": round(monotonic() - self.began, 1)}
        visible = dict(self.withheld) if self.metadata["complete"] else dict.fromkeys(self.withheld)
        self.metadata |= {"arguments": self.arguments | visible} | {
            name: visible[name] for name in visible if name in self.metadata
        }
        partial = self.folder / "run.json.partial"
        partial.write_text(json.dumps(self.metadata, indent=1, default=str) + "\n")
        partial.replace(self.folder / "run.json")

    def finished(self) -> dict[str, CheckResult]:
        """The finished results of an interrupted run."""
        return journal.stored(self.folder)

    def append(self, checked: CheckResult) -> None:
        """Writes one finished implementation down."""
        with journal.path_of(self.folder).open("a") as file:
            file.write("\n" + journal.written(checked) + "\n")  # a new line first: the last one may have been cut off


def check(targets: Sequence[Target], settings: Settings, run: Run, progress: Progress = Progress()) -> list[CheckResult]:
    """Judges all targets; returns their results in their order, and writes each down as it comes."""
    validate(settings)
    results = run.finished()
    waiting = [target for target in targets if target.name not in results]
    recorded = not run.withheld  # records would tell a secret seed
    plan = replace(plan_of(settings.of_each(len(waiting)), run.folder), recorded=recorded)
    if not settings.go_on:
        progress.start(lambda: sum(len(plan.suites[spec_by_name(target.name)]) for target in waiting) // parts_of(settings.shard))
    for checked in EXECUTORS[settings.executor](waiting, plan, settings.jobs, progress.hear):
        run.append(checked)
        results[checked.name] = checked
        progress.done(checked)
    return [results[target.name] for target in targets]


def plan_of(settings: Settings, folder: Path) -> Plan:
    """The plan of a check with these settings, whose cases of failures go into the folder."""
    known = Later(partial(vectors, settings.properties))
    suites = draw_suite(settings.examples, settings.seed, settings.dtypes, known)
    return Plan(suites, folder, settings, absent())


def validate(settings: Settings) -> None:
    """UsageError for unknown properties or conventions."""
    conformance.load_properties()
    unknown = [name for name in settings.properties if name not in PROPERTIES]
    if unknown:
        raise UsageError(f"property={unknown[0]}, but should be {likely(unknown[0])}")
    try:
        Conventions.declared(settings.conventions)
    except ValueError as error:
        raise UsageError(str(error)) from error


def run_metadata(results: Sequence[CheckResult], settings: Settings) -> dict[str, object]:
    """The part of run.json about the implementations, the properties and the worked example."""
    got = {r.name: r.worked_example for r in results if r.worked_example}
    return {
        "seed": settings.seed,
        "implementations": [_implementation(result) for result in results],
        "properties": property_metadata(),
        "mutation_score": {} if any(result.unfinished for result in results) else _mutation_score(results, settings),
        "further": {result.name: result.further for result in results if result.further},
        "unfinished": {result.name: result.unfinished for result in results if result.unfinished},
        "worked_example": {
            "source": "a published introduction to attention",
            "words": list(WORDS),
            "expected": EXPECTED.tolist(),
            "got": got,
            "deviation": {name: float(abs(EXPECTED - rows).max()) for name, rows in got.items()},
        },
        "vectors": {"onnx": onnx_cases.provenance()},
        "notes": [f"{r.name} did not run: {r.rows[0].message}" for r in results if r.description is None],
    }


def _mutation_score(results: Sequence[CheckResult], settings: Settings) -> Mapping[str, object]:
    """The planted faults that a check like this one rejects; the number of cases alone for a part of the first stage, and
    nothing for a part of the suite."""
    if settings.parts > 1:
        return {}
    if not settings.first_stage:
        return caught({row.clause for result in results for row in result.rows if row.cases})
    described = [result.description for result in results if result.description]
    whole = not settings.properties and set(settings.dtypes) == set(DTYPES) and not any(one.compiles for one in described)
    coverage = first_stage.coverage({one.spec for one in described})
    return coverage if whole else {"cases": coverage["cases"]}


def property_metadata() -> list[dict[str, str]]:
    """The part of run.json about the properties."""
    paragraphs = statements()
    return [
        {"name": p.name, "clause": p.id, "spec": p.spec, "summary": p.sentence, "statement": paragraphs.get(p.id, "")}
        for p in PROPERTIES.values()
    ]


def _implementation(result: CheckResult) -> dict[str, object]:
    d = result.description
    if d is None:
        row = result.rows[0]
        return {"name": result.name, "framework": row.framework, "spec": row.spec, "available": False, "reason": row.message}
    held = {dtype: held_to(d.precision, dtype) for dtype in d.dtypes or DTYPES}
    judged = {"asked": result.asked, "answered": result.answered, "too_little": result.too_little}
    return {**d.to_json(), "precision": held, "available": True, "reason": "", "lowered": lowered(d), **judged}


def lowered(description: Description) -> list[str]:
    """Options that the implementation is asked in another form, as `option -> form`."""
    from attention_specs.attention.spec import LOWERED

    if description.spec != "attention":
        return []
    forms = {option: next((f for f in ways if f in description.options), "") for option, ways in LOWERED.items()}
    return [f"{option} -> {form}" for option, form in forms.items() if option not in description.options and form]


def write(results: Sequence[CheckResult], run: Run, settings: Settings) -> None:
    """Writes the tables of a check, and its part of run.json."""
    import pandas as pd

    import attention_reports as reports

    for name, rows in tables(results, run).items():
        reports.write_table(run.folder, name, pd.DataFrame(rows))
    run.save(**run_metadata(results, settings))


def tables(results: Sequence[CheckResult], run: Run) -> dict[str, Sequence[Mapping[str, object]]]:
    """The rows of `checks`, `precision`, `agreement`, `coverage` and `profile`."""
    described = [r.description for r in results if r.description]
    samples = [agreement.load(run.folder, d.name, d.spec) for d in described]
    return {
        "checks": [row.to_table() for result in results for row in result.rows],
        "precision": [row.to_json() for result in results for row in result.precision],
        "agreement": agreement.agreement(samples),
        "coverage": coverage(_covered(results).values()),
        "profile": [
            {"implementation": result.name, "part": part, "meaning": PARTS[part], "seconds": seconds}
            for result in results
            for part, seconds in result.seconds.items()
        ],
    }


def _covered(results: Sequence[CheckResult]) -> dict[str, set[tuple[str, str]]]:
    """Case -> its coverage; a case that several implementations were asked counts once."""
    covered: dict[str, set[tuple[str, str]]] = {}
    for result in results:
        for case, pairs in result.covered.items():
            covered.setdefault(case, set()).update((region, value) for region, value in pairs)
    return covered


def complete(run: Run) -> None:
    """Marks the run as complete, and removes the files that only a running check needs; those of a shard are for `merge`."""
    run.save(complete=True)
    if not run.arguments.get("shard"):
        tidy(run.folder)


def tidy(folder: Path) -> None:
    """Removes the files that only a running check needs."""
    for files in ("agreement", step_records.FOLDER):
        rmtree(folder / files, ignore_errors=True)
    journal.path_of(folder).unlink(missing_ok=True)

"""What the failures of planted faults look like: whether a diagnosis names the cause, and never another.

`python -m attention_harness.audit.diagnosis` diagnoses the catalogue, prints a line for each fault, and writes the table from
which a check names the nearest planted fault.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path

from attention_harness.audit.faults import load_all
from attention_harness.audit.first_stage import MOST
from attention_harness.audit.quiet_process import quiet_process
from attention_harness.audit.selection import from_catalogue
from attention_harness.conformance import check
from attention_harness.conformance.diagnosis.diagnosis import TABLE, Diagnosis, PlantedFault
from attention_harness.conformance.failures.causes import alike
from attention_harness.conformance.failures.shrink import minimise
from attention_harness.conformance.judging import PLAIN, Finding, judge
from attention_harness.conformance.plan import Plan
from attention_harness.conformance.schedule import Schedule
from attention_harness.conformance.settings import Settings
from attention_harness.conformance.under_test import UnderTest
from attention_harness.errors import Outcome
from attention_harness.generation.suite import draw_suite
from attention_harness.process.in_process import InProcessWorker
from attention_harness.runs.executors import map_in_pool
from attention_specs.case import Case
from attention_specs.formats import DTYPES

MOST_FAILURES = 3
"""Properties that are diagnosed of each function."""

DIRECT = {"P4", "P5", "P6", "P7", "L4", "L5", "L6", "G2", "G3"}
"""Ids of the properties that compare the answer to the case itself with the oracle."""

MOST_CASES = 150
"""Cases that are tried behind one another."""

MOST_PRODUCTS = 2_000_000
"""Multiplications of a case; larger ones come to nothing new here."""

SECONDS = 1.0
"""To make one failure small."""

Function = Callable[..., object]


def diagnosed(function: Function, name: str = "") -> dict[str, str]:
    """Id of a property that the function fails by wrong answers -> the name of the reading that explains it, or ""."""
    worker = InProcessWorker(function, name)
    under_test = UnderTest(worker, worker.description)
    small = {one.property_.id: _small(under_test, case, one) for case, one in islice(_failures(under_test), MOST_FAILURES)}
    diagnosis = Diagnosis(under_test, seconds=float("inf"))
    for case in small.values():
        diagnosis.hear(case)
    readings = {id: diagnosis.of(case) for id, case in small.items()}
    return {id: reading.name if reading else "" for id, reading in readings.items()}


def _failures(under_test: UnderTest) -> Iterator[tuple[Case, Finding]]:
    """A failure of each property that fails in the first stage, and behind it until the answer to a case itself is wrong."""
    schedule = Schedule(under_test, Plan(draw_suite(0, 0, DTYPES), Path(), Settings()))
    met = set[str]()
    for place, (case, properties) in enumerate(chain(schedule.first(), schedule.cases())):
        if (place >= MOST and met & DIRECT) or place >= MOST_CASES:
            return
        new = [one for one in properties if one.id not in met] if _cheap(under_test, case) else []
        under_test.forget()
        findings = judge(under_test, under_test.realise(case), new) if new else ()
        wrong = [one for one in findings if one.outcome == Outcome.VIOLATES]
        if wrong:
            easiest = min(wrong, key=lambda finding: finding.property_.id not in PLAIN)
            met.add(easiest.property_.id)
            yield case, easiest


def _cheap(under_test: UnderTest, case: Case) -> bool:
    declared = under_test.description.dtypes
    return case.problem.products <= MOST_PRODUCTS and (not declared or case.problem.dtype in declared)


def _small(under_test: UnderTest, case: Case, finding: Finding) -> Case:
    def still(simpler: Case) -> bool:
        return alike(under_test, finding.property_, simpler, finding.kind) is not None

    return minimise(case, still, SECONDS)


def diagnose_all(names: Sequence[str], jobs: int) -> dict[str, dict[str, str]]:
    """Fault -> property -> reading."""
    work = [(names[first :: jobs * 4]) for first in range(min(jobs * 4, len(names)))]
    results: dict[str, dict[str, str]] = {}
    for share in map_in_pool(_diagnose, work, jobs, lambda *name: None):
        results |= share
    return {name: results[name] for name in names}


def _diagnose(names: Sequence[str], step: Callable[..., None]) -> dict[str, dict[str, str]]:
    quiet_process()
    check.load_properties()
    return {name: diagnosed(load_all()[name].function, name) for name in names}


def table(diagnoses: Mapping[str, Mapping[str, str]]) -> dict[str, PlantedFault]:
    """The table of planted faults for these diagnoses."""
    return {
        name: PlantedFault(link=load_all()[name].link, readings=sorted(set(by_property.values()) - {""}))
        for name, by_property in diagnoses.items()
    }


def main(jobs: int = 2) -> None:
    """Diagnoses the catalogue, and writes the table. Faults that may end their process are left out."""
    names = [entry.name for entry in from_catalogue(()).faults if not entry.alone]
    faults = table(diagnose_all(names, jobs))
    for name, fault in faults.items():
        print(name, "; ".join(fault["readings"]) or "-", sep=": ")  # noqa: T201
    TABLE.write_text(json.dumps(faults, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

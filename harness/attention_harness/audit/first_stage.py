"""Chooses the first stage of a check: the known cases that reject most planted faults, by the properties that do.

`python -m attention_harness.audit.first_stage` tries every fault on every known case by every property, and writes the choice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from attention_harness.audit.audit import Examined, audit, length
from attention_harness.audit.selection import Selection, from_catalogue
from attention_harness.conformance.check import load_properties
from attention_harness.conformance.first_stage import TABLE, FirstStage
from attention_harness.conformance.plan import Plan
from attention_harness.conformance.settings import Settings
from attention_harness.generation.suite import draw_suite
from attention_harness.runs.progress import progress_bar
from attention_specs.case import Case
from attention_specs.formats import DTYPES
from attention_specs.property import PROPERTIES

MOST = 60
"""Cases of the stage, of all specs together."""

TWICE = 2
"""Cases by which each fault is rejected, where there are so many: the numbers of a case change with the seed."""

PRODUCTS = 1_000_000
"""Multiplications that take as long as all else about a small case."""

Place = tuple[str, int]
"""A spec, and the place of a case in its suite."""

Rejections = Mapping[Place, Mapping[str, frozenset[str]]]
"""Case -> fault -> ids of the properties that reject it."""


def choose(rejections: Rejections, costs: Mapping[Place, float], most: int) -> dict[Place, list[str]]:
    """Case -> ids of properties: greedily those cases that reject most faults for their cost, until each fault has been
    rejected twice; of each case as few properties as reject the faults that it was chosen for."""
    times: dict[str, int] = {}
    chosen: dict[Place, list[str]] = {}
    while len(chosen) < most:
        gains = {
            case: sum(_gain(times.get(fault, 0)) for fault in faults) for case, faults in rejections.items() if case not in chosen
        }
        best = max(gains, key=lambda case: gains[case] / costs[case], default=None)
        if best is None or not gains[best]:
            break
        new = {fault: ids for fault, ids in rejections[best].items() if times.get(fault, 0) < TWICE}
        chosen[best] = cover(new.values())
        for fault in new:
            times[fault] = times.get(fault, 0) + 1
    return chosen


def _gain(times: int) -> float:
    """The worth of one more rejection: the second one is worth little beside the first."""
    return {0: 1.0, 1: 0.01}.get(times, 0.0)


def cover(sets: Iterable[frozenset[str]]) -> list[str]:
    """Few names such that each set has one of them, the most frequent first."""
    left, names = list(sets), list[str]()
    while left:
        often = sorted({name for one in left for name in one}, key=_number)
        names.append(max(often, key=lambda name: sum(name in one for one in left)))
        left = [one for one in left if names[-1] not in one]
    return sorted(names, key=_number)


def _number(property_id: str) -> int:
    return [one.id for one in PROPERTIES.values()].index(property_id)


def main(jobs: int = 2) -> None:
    """Tries the catalogue on the known cases, and writes the table."""
    load_properties()
    selection, settings = from_catalogue(()), Settings()
    plan = Plan(draw_suite(0, 0, DTYPES), Path(), settings)
    with progress_bar("auditing", length(selection, plan, jobs), quiet=False) as step:
        examined = list(audit(selection, plan, quick=False, jobs=jobs, step=step))
    table = first_stage(selection, plan, {one.name: one for one in examined})
    TABLE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def first_stage(selection: Selection, plan: Plan, examined: Mapping[str, Examined]) -> FirstStage:
    """The table for these results."""
    faults = {fault.name: fault.spec for fault in selection.faults}
    by_case: dict[Place, dict[str, frozenset[str]]] = {}
    for fault, spec in faults.items():
        for place, ids in examined[fault].rejections.items():
            by_case.setdefault((spec, place), {})[fault] = frozenset(ids.split())
    suites = {spec: suite.cases for spec, suite in plan.suites.items()}
    chosen = choose(by_case, {(spec, place): cost(suites[spec][place]) for spec, place in by_case}, MOST)
    rejected = {fault for place, ids in chosen.items() for fault, by in by_case[place].items() if not by.isdisjoint(ids)}
    return FirstStage(
        made=datetime.now(UTC).date().isoformat(),
        faults={spec: sum(of == spec for of in faults.values()) for spec in suites},
        missed={spec: sorted(name for name, of in faults.items() if of == spec and name not in rejected) for spec in suites},
        cases={
            spec: {cases[place].id: " ".join(ids) for (of, place), ids in chosen.items() if of == spec}
            for spec, cases in suites.items()
        },
    )


def cost(case: Case) -> float:
    """The time of a case, in units of a small one's."""
    return 1.0 + case.problem.products / PRODUCTS


if __name__ == "__main__":
    main()

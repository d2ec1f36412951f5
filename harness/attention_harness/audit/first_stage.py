"""Chooses the first stage of a check: the known cases that reject most planted faults, by the properties that do.

`python -m attention_harness.audit.first_stage` tries every fault on every known case by every property, and writes the choice.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from attention_harness.audit.audit import Examined, audit, length
from attention_harness.audit.selection import Selection, from_catalogue
from attention_harness.conformance.check import load_properties
from attention_harness.conformance.first_stage import TABLE, FirstStage
from attention_harness.conformance.plan import Plan
from attention_harness.conformance.settings import Settings
from attention_harness.generation.suite import Suite, draw_suite
from attention_harness.runs.progress import progress_bar
from attention_specs.case import Case
from attention_specs.formats import DTYPES

MOST = 60
"""Cases of the stage, of all specs together."""

TWICE = 2
"""Cases and properties by which each fault is rejected, where there are so many: the numbers of a case change with the seed."""

PRODUCTS = 1_000_000
"""Multiplications that take as long as all else about a small case."""

SEEDS = (0, 1)
"""Seeds whose numbers the faults are tried on."""

Place = tuple[str, int]
"""A spec, and the place of a case in its suite."""

Mutant = tuple[str, int]
"""A fault, and the seed of the numbers that it is tried on."""

Rejections = Mapping[Place, Mapping[Mutant, frozenset[str]]]
"""Case -> fault and seed -> ids of the properties that reject it."""


def choose(rejections: Rejections, costs: Mapping[Place, float], most: int) -> dict[Place, list[str]]:
    """Case -> ids of properties: greedily those cases that reject most new faults for their cost; once each fault is rejected,
    those that reject most of them a second time. Of each case as few properties as reject those faults, each by two if it can."""
    times: Counter[Mutant] = Counter()
    chosen: dict[Place, list[str]] = {}
    while len(chosen) < most:
        gains = {case: _gain(rejections[case], times, costs[case]) for case in rejections if case not in chosen}
        best = max(gains, key=lambda case: gains[case], default=None)
        if best is None or not any(gains[best]):
            break
        new = {fault: ids for fault, ids in rejections[best].items() if times[fault] < TWICE}
        chosen[best] = cover(new.values(), TWICE)
        times.update(new.keys())
    return chosen


def _gain(faults: Iterable[Mutant], times: Mapping[Mutant, int], cost: float) -> tuple[float, ...]:
    """The faults that are rejected a first time, then those a second time, for the cost of the case."""
    before = Counter(times[fault] for fault in faults)
    return tuple(before[n] / cost for n in range(TWICE))


def cover(sets: Iterable[frozenset[str]], times: int = 1) -> list[str]:
    """Few names such that each set has so many of them, or all of its own, the most frequent first."""
    wanted = [(one, min(times, len(one))) for one in sets]
    names = list[str]()
    while left := [one - set(names) for one, number in wanted if len(one & set(names)) < number]:
        often = sorted({name for one in left for name in one}, key=_number)
        names.append(max(often, key=lambda name: sum(name in one for one in left)))
    return sorted(names, key=_number)


def _number(property_id: str) -> tuple[str, int]:
    """The letter and the number of an id."""
    letters = property_id.rstrip("0123456789")
    return letters, int(property_id.removeprefix(letters))


def main(jobs: int = 2) -> None:
    """Tries the catalogue on the known cases, and writes the table."""
    load_properties()
    selection = from_catalogue(())
    examined = {seed: _examined(selection, seed, jobs) for seed in SEEDS}
    table = first_stage(selection, draw_suite(0, 0, DTYPES), examined)
    TABLE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def _examined(selection: Selection, seed: int, jobs: int) -> list[Examined]:
    plan = Plan(draw_suite(0, seed, DTYPES), Path(), Settings(seed=seed))
    with progress_bar(f"auditing, seed {seed}", length(selection, plan, jobs), quiet=False) as step:
        return list(audit(selection, plan, quick=False, jobs=jobs, step=step))


def first_stage(selection: Selection, suites: Mapping[str, Suite], examined: Mapping[int, Iterable[Examined]]) -> FirstStage:
    """The table for these results by seed. A fault is missed where the cases do not reject it with the numbers of each seed."""
    faults = {fault.name: fault.spec for fault in selection.faults if not fault.form}
    by_case: dict[Place, dict[Mutant, frozenset[str]]] = defaultdict(dict)
    for seed, results in examined.items():
        for one in results:
            for place, ids in one.rejections.items() if one.name in faults else ():
                by_case[faults[one.name], place][one.name, seed] = frozenset(ids.split())
    chosen = choose(by_case, {(spec, place): cost(suites[spec].cases[place]) for spec, place in by_case}, MOST)
    rejected = {mutant for case, ids in chosen.items() for mutant, by in by_case[case].items() if not by.isdisjoint(ids)}
    missed = {name for name in faults if any((name, seed) not in rejected for seed in examined)}
    return FirstStage(
        made=datetime.now(UTC).date().isoformat(),
        faults={spec: sum(of == spec for of in faults.values()) for spec in suites},
        missed={spec: sorted(name for name in missed if faults[name] == spec) for spec in suites},
        cases={
            spec: {suite.cases[place].id: " ".join(ids) for (of, place), ids in chosen.items() if of == spec}
            for spec, suite in suites.items()
        },
    )


def cost(case: Case) -> float:
    """The time of a case, in units of a small one's."""
    return 1.0 + case.problem.products / PRODUCTS


if __name__ == "__main__":
    main()

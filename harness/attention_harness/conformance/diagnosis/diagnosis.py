"""What a failure looks like: the reading that explains the smallest case, and larger ones that fail like it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import TypedDict

from attention_harness.conformance.diagnosis.larger import larger
from attention_harness.conformance.diagnosis.observations import Observation, observe
from attention_harness.conformance.diagnosis.readings import READINGS, Reading
from attention_harness.conformance.under_test import UnderTest
from attention_harness.errors import CallFailed, Outcome
from attention_specs.case import Case

TABLE = Path(__file__).with_name("planted_faults.json")
"""`python -m attention_harness.audit.diagnosis` makes it."""

MODULES = ("options", "scales", "places", "heads", "blocks", "results", "conventions", "gradients", "layers", "rounding")
"""The modules of readings, which register themselves: the simpler ones first."""

SECONDS = 1.0
"""For all failures of one implementation."""

FEWEST = 2
"""Failing calls that a reading must explain."""

WHERE = {
    "lse": " in the returned lse",
    "weights": " in the returned weights",
    "out beside": " where more than the output is returned",
}
"""Result of a call whose output is right -> where another meaning of the call shows."""

REPEATS = 3
"""Calls that must all fail: of a failure that comes and goes nothing is said."""

MOST_PRODUCTS = 1_000_000
"""Multiplications of a case; larger ones would take all the time."""


def load_readings() -> dict[str, Reading]:
    """All readings by name, the simpler ones first."""
    for module in MODULES:
        import_module(f"{__package__}.{module}")
    return READINGS


class PlantedFault(TypedDict):
    """A fault of the catalogue: the public bug that it stands for, "" where it stands for none, and the readings that explain it."""

    link: str
    readings: list[str]


@cache
def planted_faults() -> dict[str, PlantedFault]:
    """Name -> fault, of those that an audit has diagnosed."""
    table: dict[str, PlantedFault] = json.loads(TABLE.read_text(encoding="utf-8"))
    return table


def nearest_fault(reading: Reading) -> str:
    """The first planted fault that this reading alone explains and that stands for a public bug, with its link; "" without one."""
    alike = ((name, fault["link"]) for name, fault in planted_faults().items() if fault["readings"] == [reading.name])
    return next((f"; planted fault {name} ({link})" for name, link in alike if link), "")


class Diagnosis:
    """Explains failures of one implementation, as long as the time lasts. All are heard before the first is explained."""

    def __init__(self, under_test: UnderTest, seconds: float = SECONDS) -> None:
        self.under_test, self.left = under_test, seconds
        self.fitting: dict[str, list[Reading]] = {}
        """Case -> the readings that explain it and all that fail like it."""
        self.results: dict[str, str] = {}
        """Case -> the first of its results that is wrong."""
        self.explained: Counter[str] = Counter()
        """Reading -> failing calls that it explains."""

    def hear(self, case: Case) -> None:
        """A failure on this case, which is small. Nothing is done once the time is over."""
        if _key(case) not in self.fitting and self.left > 0 and case.problem.products <= MOST_PRODUCTS:
            start = monotonic()
            self.fitting[_key(case)] = self._fitting(case, start + self.left)
            self.left -= monotonic() - start

    def of(self, case: Case) -> Reading | None:
        """The reading that explains this failure; of several the one that explains most of the others too, and the simplest."""
        fitting = [one for one in self.fitting.get(_key(case), []) if self.explained[one.name] >= FEWEST]
        return max(fitting, key=lambda one: self.explained[one.name], default=None)

    def sentence(self, case: Case) -> str:
        """What the failure looks like, with the declaration that would make it right; empty where nothing explains it."""
        explained = self.of(case)
        if explained is None:
            return ""
        where = "" if explained.any_number else WHERE.get(self.results[_key(case)], "")
        declare = f"; if it is meant so, declare {explained.declaration}" if explained.declaration else ""
        return f"{explained.sentence}{where}{declare}{nearest_fault(explained)}"

    def _fitting(self, case: Case, deadline: float) -> list[Reading]:
        """The readings that explain the failures in float64, whose bounds are the narrowest, else those in the case's own dtype."""
        wide, dtypes = case.with_problem(dtype="float64"), self.under_test.description.dtypes
        if not all(self._wrong(case) for _ in range(REPEATS)):
            return []
        if wide != case and not case.arrays and (dtypes is None or "float64" in dtypes) and self._wrong(wide):
            return self._explaining(wide, deadline) or self._explaining(case, deadline)
        return self._explaining(case, deadline)

    def _explaining(self, case: Case, deadline: float) -> list[Reading]:
        """The readings that explain the case and all that fail like it, and that one of them shows; or the only one.

        Where the time is over before all were asked, the others might still differ: only one that is left alone counts.
        """
        fitting, telling, failing = list(load_readings().values()), set[str](), 0
        for like in (case,) if case.arrays else (case, *larger(case)):
            if self.left == 0 or monotonic() > deadline:
                telling.clear()
                break
            seen = self._wrong(like)
            if not seen:
                continue
            failing += 1
            self.results.setdefault(_key(case), seen[0].result)
            fitting = [reading for reading in fitting if self._explains(reading, seen, telling)]
            if not fitting:
                break
        fitting = [reading for reading in fitting if reading.name in telling or len(fitting) == 1] if failing else []
        self.explained.update({reading.name: failing for reading in fitting})
        return fitting

    def _explains(self, reading: Reading, seen: Sequence[Observation], telling: set[str]) -> bool:
        """Whether it explains one of the results; notes its name where they show it."""
        for one in seen:
            explained = reading.explained(one)
            if explained is not None:
                telling |= {reading.name} if reading.is_telling(one, explained) else set()
                return True
        return False

    def _wrong(self, case: Case) -> list[Observation]:
        try:
            return observe(self.under_test, case)
        except CallFailed as failure:
            self.left = 0.0 if failure.outcome == Outcome.TIMED_OUT else self.left
        except (ValueError, IndexError):  # no problem at all, or a mask of other sizes
            pass
        return []


def _key(case: Case) -> str:
    """The same for the dtypes of a case."""
    return case.with_problem(dtype="float32").id

"""The comparison of two runs, as pages, tables and the exit status need it."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from attention_reports import schema
from attention_reports.cells import Row
from attention_reports.comparison import checks, conditions, groups, timings
from attention_reports.load import Run


@dataclass(frozen=True)
class Comparison:
    """Run A, `before`, and run B, `after`."""

    before: Run
    after: Run

    @classmethod
    def load(cls, before: str | Path, after: str | Path) -> "Comparison":
        """Read both folders. Raises ReportError where one of them holds no run."""
        return cls(Run.load(before), Run.load(after))

    def retimed(self, rows: list[dict[str, Any]], noise: dict[str, Any]) -> "Comparison":
        """The same with other timings of run B: rows of `timings`, and the noise that was measured with them."""
        table = schema.conform(pd.DataFrame(rows), schema.TIMINGS)
        return replace(self, after=replace(self.after, timings=table, metadata={**self.after.metadata, "noise": noise}))

    @cached_property
    def differing(self) -> list[str]:
        """The conditions that differ, so that the timings cannot be compared."""
        return conditions.differing(self.before, self.after)

    @cached_property
    def checks(self) -> pd.DataFrame:
        """The checks whose outcome changed, with the columns of `checks.COLUMNS`."""
        return checks.changes(self.before.checks, self.after.checks)

    @cached_property
    def broken(self) -> list[Row]:
        """The broken checks, one entry for each implementation and property."""
        return groups.cells(self.checks, "broke")

    @cached_property
    def fixed(self) -> list[Row]:
        """The fixed checks, likewise."""
        return groups.cells(self.checks, "fixed")

    @cached_property
    def moves(self) -> list[Row]:
        """The other changes, one entry for each implementation and pair of outcomes."""
        return groups.moves(self.checks)

    @cached_property
    def timings(self) -> pd.DataFrame:
        """Every timing, with the columns of `timings.COLUMNS`."""
        return timings.changes(self.before, self.after, comparable=not self.differing)

    @cached_property
    def common_checks(self) -> int:
        """The number of checks that both made."""
        return checks.common(self.before.checks, self.after.checks)

    @property
    def judged(self) -> pd.DataFrame:
        """The timings whose change was judged."""
        return self.timings[self.timings["verdict"].isin(list(timings.JUDGED))]

    @property
    def regressions(self) -> pd.DataFrame:
        """The timings that became slower, by more than noise."""
        return self.timings[self.timings["verdict"] == "SLOWER"]

    @property
    def worse(self) -> bool:
        """Whether anything broke or became slower."""
        return bool(self.broken) or bool(self.timings["verdict"].isin(["BROKE", "SLOWER"]).any())

    @property
    def compared(self) -> bool:
        """Whether the two have anything in common that could be judged."""
        return bool(self.common_checks or len(self.judged) or self.worse)

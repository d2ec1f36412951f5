"""A cell of the conformance matrix: the outcomes of one implementation for one property, over its dtypes."""

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from attention_reports import outcomes
from attention_reports.load import Run
from attention_reports.text import count, in_words, natural, number

Row = dict[Any, Any]

HIDDEN = "Its cases are hidden: `attention-harness properties` says what the property asks."
"""The next step after a failure that came without a message."""


@dataclass(frozen=True)
class Cell:
    """The recorded rows of one (spec, property, implementation), one for each dtype, those that fail first."""

    spec: str
    id: str
    name: str
    implementation: str
    rows: tuple[Row, ...]
    only_here: bool = False

    @property
    def outcome(self) -> outcomes.Outcome:
        return outcomes.named(outcomes.worst(row["outcome"] for row in self.rows))

    @property
    def failing(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if outcomes.fails(row["outcome"]))

    @property
    def cases(self) -> int:
        return sum(row["cases"] for row in self.rows)

    @property
    def worst_ratio(self) -> float:
        """The largest error / bound; NaN in a failing row is worse than any number, NaN elsewhere says nothing."""
        return max((_severity(row) for row in self.rows), default=math.nan)

    @property
    def witness(self) -> Row:
        """The row to show: a failing one that has a case to replay, where there is one."""
        return next((row for row in self.failing if row["case"]), self.rows[0])

    @property
    def known_ratio(self) -> float:
        """The same for a reader: NaN also where it is hidden together with the message."""
        return self.worst_ratio if self.witness["message"] or not self.failing else math.nan

    @property
    def advice(self) -> str:
        """The next step of a reader."""
        return self.outcome.advice if self.witness["message"] else HIDDEN

    @property
    def looks_like(self) -> str:
        """The wrong reading of a call that explains a failure; "" where none is known."""
        return next((row["looks_like"] for row in self.failing if row["looks_like"]), "")

    @property
    def others(self) -> list[Row]:
        """The failures of its rows beside the witness, each cause once."""
        causes = {cause(self.witness): self.witness}
        for row in self.failing:
            for failure in (row, *others(row)):
                causes.setdefault(cause(failure), failure)
        return list(causes.values())[1:]

    @property
    def contrast(self) -> dict[str, str]:
        """The message taken apart: what it is about, what was got, and what was wanted; empty where it has another shape."""
        before, separator, after = str(self.witness["message"]).partition(", but should be ")
        what, equals, got = before.rpartition("=")
        return {"what": what, "got": got, "wanted": after.rpartition(" [")[0] or after} if separator and equals else {}

    @property
    def dtypes(self) -> list[str]:
        return [row["dtype"] for row in self.failing or self.rows if row["dtype"]]

    @property
    def summary(self) -> str:
        """Everything that the sign of this cell stands for, in one line."""
        kinds: dict[str, list[str]] = {}
        for row in self.rows:
            kinds.setdefault(row["outcome"], []).append(row["dtype"])
        parts = "; ".join(
            f"{name}{' in ' + ', '.join(filter(None, dtypes)) if any(dtypes) else ''}" for name, dtypes in kinds.items()
        )
        worst = f"; worst error {number(self.known_ratio)} of the bound" if not math.isnan(self.known_ratio) else ""
        return f"{self.implementation}, {in_words(self.name)}: {parts}; {count(self.cases, 'case')}{worst}"


def others(row: Row) -> list[Row]:
    """The failures that a row has beside its first; none where a run wrote none."""
    try:
        entries = json.loads(row["others"] or "[]")
    except ValueError:
        entries = []
    known = [other for other in entries if isinstance(other, dict)] if isinstance(entries, list) else []
    return [{name: str(other.get(name, "")) for name in ("outcome", "case", "message", "replay")} for other in known]


def cause(row: Row) -> tuple[str, frozenset[str]]:
    """The cause of a failure: the words of an exception, without numbers; for a wrong answer, the options that it needs."""
    words, _, case = str(row["message"]).rpartition(" [")
    if row["outcome"] != "violates":
        return row["outcome"], frozenset([re.sub(r"\d+", "0", words or str(row["message"]))])
    return row["outcome"], frozenset(re.findall(r"\b(?!seed=|recipe=normal)[a-z_]+=", case))


def cells(run: Run) -> list[Cell]:
    """Every cell in which something was recorded, in the order of specs, clauses and implementations."""
    groups: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in run.checks.to_dict("records"):
        if row["property"]:
            key = (row["spec"], row["clause"], row["property"], row["implementation"])
            groups.setdefault(key, []).append(row)
    ordered = sorted(groups, key=lambda key: (key[0], natural(key[1]), key[2]))
    return _marked([Cell(*key, rows=tuple(sorted(groups[key], key=_order))) for key in ordered])


def failures(run: Run) -> list[Cell]:
    """The failing cells, those of the implementations with the fewest failures first: they say the most."""
    failing = [cell for cell in cells(run) if cell.outcome.failing]
    amount = _tally(cell.implementation for cell in failing)
    return sorted(failing, key=lambda cell: (amount[cell.implementation], cell.implementation))


def _marked(recorded: list[Cell]) -> list[Cell]:
    """With `only_here` set where an implementation fails what at least one other was judged on, and all others agree."""
    failing = _tally((cell.spec, cell.name) for cell in recorded if cell.outcome.failing)
    judged = _tally((cell.spec, cell.name) for cell in recorded if outcomes.judged([cell.outcome.name]))
    return [
        Cell(cell.spec, cell.id, cell.name, cell.implementation, cell.rows, only_here=True)
        if cell.outcome.failing and failing[cell.spec, cell.name] == 1 < judged[cell.spec, cell.name]
        else cell
        for cell in recorded
    ]


def _tally(keys: Iterable[Any]) -> dict[Any, int]:
    counts: dict[Any, int] = {}
    for key in keys:
        counts[key] = counts.get(key, 0) + 1
    return counts


def _severity(row: Row) -> float:
    ratio = float(row["worst_ratio"])
    return math.inf if math.isnan(ratio) and row["outcome"] == "violates" else ratio


def _order(row: Row) -> tuple[bool, bool]:
    return not outcomes.fails(row["outcome"]), not row["case"]


def untimed(row: Row) -> bool:
    """Whether a timing has no valid time, and so no numbers to show."""
    return bool(row["verdict"] == "INVALID" or math.isnan(row["median"]))

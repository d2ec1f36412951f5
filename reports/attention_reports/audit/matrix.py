"""The kill matrix as the page draws it: classes of faults down, properties across, one table for each spec."""

from collections import Counter
from dataclasses import dataclass

import pandas as pd

from attention_reports.load import Run
from attention_reports.tables import tabulate
from attention_reports.text import count, in_words, natural

Pair = tuple[str, str]


@dataclass(frozen=True)
class Column:
    """One property: how many faults it rejected, how many of them first, and how many that all others let pass."""

    id: str
    name: str
    summary: str
    rejected: int
    first: int
    alone: int
    opens: bool
    """Whether it is the first of its chapter: clauses of another letter stand before it."""

    @property
    def title(self) -> str:
        numbers = f"rejected {count(self.rejected, 'fault')}, {self.first:,} first, {self.alone:,} alone"
        return f"{self.id} {in_words(self.name)}: {numbers}"


@dataclass(frozen=True)
class Cell:
    """A class under a property: how many of its faults that rejects, and how many of those no other property does."""

    rejected: int
    alone: int
    share: int
    title: str


@dataclass(frozen=True)
class Line:
    """One class of faults; None where a property rejects none of them."""

    family: str
    name: str
    faults: int
    survived: int
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Matrix:
    """The classes and properties of one spec; a property that rejected nothing has no column."""

    spec: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    tallest: int


def matrices(run: Run) -> list[Matrix]:
    """One matrix for each spec that has faults; none for an audit that asked only who comes first."""
    faults = tabulate(run, "standing of faults")
    if run.quick or run.kills.empty:
        return []
    drawn = [_matrix(run, spec, group) for spec, group in sorted(faults.groupby("spec"), key=lambda pair: str(pair[0]))]
    return [matrix for matrix in drawn if matrix.columns]


def _matrix(run: Run, spec: object, faults: pd.DataFrame) -> Matrix:
    families = dict(zip(faults["fault"], faults["family"], strict=True))
    kills = run.kills[run.kills["fault"].isin(list(families))]
    columns = _columns(run, kills, faults)
    amounts = Counter(zip(kills["fault"].map(families), kills["property"], strict=True))
    only = faults[faults["only"]]
    alone = Counter(zip(only["family"], only["killed_by"], strict=True))
    groups = sorted(faults.groupby("family"), key=lambda pair: natural(str(pair[0])))
    lines = [_line(str(family), group, columns, amounts, alone) for family, group in groups]
    return Matrix(str(spec), tuple(columns), tuple(lines), max((column.rejected for column in columns), default=0))


def _columns(run: Run, kills: pd.DataFrame, faults: pd.DataFrame) -> list[Column]:
    """The properties that rejected something, in the order of their clauses."""
    ids = dict(zip(kills["property"], kills["clause"], strict=True))
    summaries = {name: str(entry.get("summary", "")) for (_, name), entry in run.properties.items()}
    rejected, first = Counter(kills["property"]), Counter(faults["killed_by"])
    alone = Counter(faults.loc[faults["only"], "killed_by"])
    names = sorted(ids, key=lambda name: (natural(ids[name]), name))
    chapters = ["", *(ids[name][:1] for name in names)]
    return [
        Column(ids[name], name, summaries.get(name, ""), rejected[name], first[name], alone[name], ids[name][:1] != chapter)
        for name, chapter in zip(names, chapters, strict=False)
    ]


def _line(family: str, faults: pd.DataFrame, columns: list[Column], amounts: Counter[Pair], alone: Counter[Pair]) -> Line:
    total = len(faults)
    keys = [(family, column.name) for column in columns]
    cells = tuple(_cell(key, total, amounts[key], alone[key]) if amounts[key] else None for key in keys)
    return Line(family, str(faults["family_name"].iloc[0]), total, int(faults["survived"].sum()), cells)


def _cell(key: Pair, total: int, rejected: int, alone: int) -> Cell:
    family, name = key
    title = f"{rejected} of {count(total, 'fault')} of {family} rejected by {in_words(name)}"
    return Cell(rejected, alone, round(100 * rejected / total), f"{title}, {alone} by nothing else" if alone else title)

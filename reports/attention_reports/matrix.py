"""The conformance matrix as the page draws it: properties down, implementations across, one table for each spec."""

import math
from dataclasses import dataclass

from attention_reports.cells import Cell, cells, failures
from attention_reports.load import Run
from attention_reports.text import in_words, natural, without_classes

MOST_EVIDENCE = 120  # further failing cells are in the CSV; a page of thousands would help nobody


@dataclass(frozen=True)
class Column:
    """One implementation: its cells that fail, that agree, and all that were recorded."""

    name: str
    framework: str
    failing: int
    agreeing: int


@dataclass(frozen=True)
class Line:
    """One property with its cells, in the order of the columns; None where nothing was recorded."""

    id: str
    name: str
    words: str
    summary: str
    statement: str
    cells: tuple[Cell | None, ...]

    @property
    def recorded(self) -> list[Cell]:
        return [cell for cell in self.cells if cell]

    @property
    def failing(self) -> int:
        return sum(cell.outcome.failing for cell in self.recorded)

    @property
    def only_here(self) -> bool:
        return any(cell.only_here for cell in self.recorded)

    @property
    def seconds(self) -> float:
        return float(sum(row["seconds"] for cell in self.recorded for row in cell.rows if math.isfinite(row["seconds"])))

    @property
    def worst_ratio(self) -> float:
        """The largest error / bound of the line, for sorting; -1 where no cell has one."""
        return max((cell.worst_ratio for cell in self.recorded if not math.isnan(cell.worst_ratio)), default=-1.0)


@dataclass(frozen=True)
class Matrix:
    """The lines and columns of one spec, lines that something fails first."""

    spec: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]

    @property
    def by_id(self) -> list[Line]:
        """The lines in the order of their ids."""
        return sorted(self.lines, key=lambda line: natural(line.id))


def matrices(run: Run) -> list[Matrix]:
    """One matrix for each spec of which anything was tried."""
    recorded = cells(run)
    return [
        _matrix(run, spec, [cell for cell in recorded if cell.spec == spec])
        for spec in dict.fromkeys(cell.spec for cell in recorded)
    ]


def anchors(run: Run) -> dict[tuple[str, str, str], str]:
    """Where the page shows the evidence of a failing cell: (spec, property, implementation) -> element id."""
    failing = failures(run)[:MOST_EVIDENCE]
    return {(cell.spec, cell.name, cell.implementation): f"failure-{place}" for place, cell in enumerate(failing, 1)}


def _matrix(run: Run, spec: str, recorded: list[Cell]) -> Matrix:
    columns = sorted(
        (_column(name, recorded) for name in dict.fromkeys(cell.implementation for cell in recorded)), key=lambda c: c.framework
    )
    lines: dict[tuple[str, str], dict[str, Cell]] = {}
    for cell in recorded:
        lines.setdefault((cell.id, cell.name), {})[cell.implementation] = cell
    drawn = [_line(run, spec, *key, lines[key], columns) for key in lines]
    return Matrix(spec, tuple(columns), tuple(sorted(drawn, key=lambda line: not line.failing)))


def _column(name: str, recorded: list[Cell]) -> Column:
    own = [cell for cell in recorded if cell.implementation == name]
    outcomes = [cell.outcome for cell in own]
    agreeing = sum(outcome.name == "agrees" for outcome in outcomes)
    return Column(name, own[0].rows[0]["framework"], sum(outcome.failing for outcome in outcomes), agreeing)


def _line(run: Run, spec: str, id: str, name: str, by_name: dict[str, Cell], columns: list[Column]) -> Line:
    described = run.properties.get((spec, name), {})
    summary, statement = without_classes(str(described.get("summary", ""))), str(described.get("statement", ""))
    return Line(id, name, in_words(name), summary, statement, tuple(by_name.get(column.name) for column in columns))

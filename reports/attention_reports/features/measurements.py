"""What one implementation declares and what a run measured of it, a cell for each feature.

A failure speaks against an option or a form where its smallest case needs it: `is_causal` is red where the case that was made
as small as possible still has it. So an option is right as far as its cases went, and each red cell has such a case.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from attention_reports import outcomes
from attention_reports.cells import Row
from attention_reports.features.columns import CONVENTIONS, FORMS, GRADIENTS, OPTIONS
from attention_reports.load import Run

RIGHT, WRONG, KNOWN, REFUSED, UNTRIED = "right", "wrong", "known", "refused", "untried"
"""States of a cell, as `schemas/matrix.json` has them; `known` is a failure that a waiver covers."""


@dataclass(frozen=True)
class FeatureCell:
    """A feature: what is declared of it, what was measured, and the smallest case that shows the difference."""

    group: str
    feature: str
    declared: str
    measured: str
    state: str
    message: str = ""
    problem: Mapping[str, Any] = field(default_factory=dict)
    program: str = ""


@dataclass(frozen=True)
class Entry:
    """An implementation in one version on one device, with the run that measured it."""

    implementation: str
    framework: str
    version: str
    device: str
    run: str
    reason: str
    cells: tuple[FeatureCell, ...]

    @property
    def key(self) -> str:
        """What two matrices compare it by; a version that is new is another entry."""
        return f"{self.implementation} {self.version} {self.device}".rstrip()

    @property
    def wrong(self) -> list[FeatureCell]:
        """The red cells."""
        return [cell for cell in self.cells if cell.state == WRONG]

    @property
    def known(self) -> list[FeatureCell]:
        """The cells whose failures are known deviations."""
        return [cell for cell in self.cells if cell.state == KNOWN]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def entries(runs: Iterable[Run]) -> list[Entry]:
    """One entry for each implementation, version and device; of several runs with the same one the last counts."""
    by_key = {entry.key: entry for run in runs for entry in _of(run)}
    return [by_key[key] for key in sorted(by_key)]


def _of(run: Run) -> Iterator[Entry]:
    rows = run.checks.to_dict("records")
    for described in run.implementations:
        own = [row for row in rows if row["implementation"] == described.get("name") and row["property"]]
        measured = Measurements(run, described, own)
        texts = {name: str(described.get(name) or "") for name in ("framework", "version", "device", "reason")}
        yield Entry(str(described.get("name", "")), run=str(run.folder.name), cells=tuple(measured.cells()), **texts)


@dataclass(frozen=True)
class Measurements:
    """The rows of one implementation in a run."""

    run: Run
    described: Mapping[str, Any]
    rows: list[Row]

    def cells(self) -> Iterator[FeatureCell]:
        """All features in the order of the columns; none of an implementation that did not run."""
        if not self.rows:
            return
        yield from (self._by_case("option", name, self._option(name)) for name in OPTIONS)
        yield from (self._by_case("form", name, "", needs) for name, needs in FORMS.items())
        yield from self._dtypes()
        yield from (self._convention(name, clauses) for name, clauses in CONVENTIONS.items())
        yield from self._precision()
        yield self._by_rows("gradient", "gradient", str(self.described.get("gradient", "")), self._of_clauses(GRADIENTS))

    def _option(self, name: str) -> str:
        lowered = [text for text in self.described.get("lowered") or () if str(text).startswith(f"{name} ->")]
        if name in (self.described.get("options") or ()):
            return "declared"
        return str(lowered[0]) if lowered else ""

    def _by_case(self, group: str, name: str, declared: str, needs: Any = None) -> FeatureCell:
        """Red where a failing case needs it; refused where an option is neither declared nor written as another one."""
        against = [row for row in _failing(self.rows) if (needs or (lambda problem: name in problem))(self._problem(row))]
        if against:
            return self._wrong(group, name, declared, against)
        if group == "option" and not declared:
            return FeatureCell(group, name, "", "", REFUSED)
        return FeatureCell(group, name, declared, *self._answered(self.rows))

    def _of_clauses(self, letter: str) -> list[Row]:
        return [row for row in self.rows if str(row["clause"]).startswith(letter)]

    def _dtypes(self) -> Iterator[FeatureCell]:
        declared = self.described.get("dtypes")
        for dtype in sorted({row["dtype"] for row in self.rows if row["dtype"]} | set(declared or ())):
            stated = "" if declared is not None and dtype not in declared else "declared"
            yield self._by_rows("dtype", dtype, stated, [row for row in self.rows if row["dtype"] == dtype])

    def _convention(self, name: str, clauses: tuple[str, ...]) -> FeatureCell:
        declared = str((self.described.get("conventions") or {}).get(name, ""))
        return self._by_rows("convention", name, declared, [row for row in self.rows if row["clause"] in clauses])

    def _precision(self) -> Iterator[FeatureCell]:
        """The declared model beside the tightest that fits; red where the declared one is broken by a sample."""
        frame = self.run.precision
        own = frame[frame["implementation"] == self.described.get("name")]
        for dtype, models in own.groupby("dtype", sort=True):
            chosen = models[models["declared"] == 1]
            tightest = ", ".join(models[models["tightest"] == 1]["model"]) or "none"
            worst = float(chosen["worst"].max()) if len(chosen) else float("nan")
            state = UNTRIED if not len(chosen) else RIGHT if worst <= 1 else WRONG
            text = f"{tightest}, at worst {worst:.2g} of the bound"
            yield FeatureCell("precision", str(dtype), ", ".join(chosen["model"]), text, state, text if state == WRONG else "")

    def _by_rows(self, group: str, name: str, declared: str, rows: list[Row]) -> FeatureCell:
        if failing := _failing(rows):
            return self._wrong(group, name, declared, failing)
        return FeatureCell(group, name, declared, *self._answered(rows))

    def _answered(self, rows: list[Row]) -> tuple[str, str]:
        """Words and state of rows without a failure."""
        if right := sum(row["outcome"] == "agrees" for row in rows):
            return f"{right} checks agree", RIGHT
        refused = any(row["outcome"] == "unsupported" for row in rows)
        return ("unsupported", REFUSED) if refused else ("", UNTRIED)

    def _wrong(self, group: str, name: str, declared: str, failing: list[Row]) -> FeatureCell:
        """With the smallest of the cases, by the number of fields that it needs."""
        new = [row for row in failing if row["outcome"] != "waived"]
        row = min(new or failing, key=lambda one: (not one["case"], len(self._problem(one)), str(one["message"])))
        program = self.run.folder / "cases" / f"{row['case']}.py"
        text = program.read_text(encoding="utf-8") if row["case"] and program.is_file() else ""
        measured = f"{row['outcome']}: {len(failing)} of its checks"
        state = WRONG if new else KNOWN
        return FeatureCell(group, name, declared, measured, state, str(row["message"]), self._problem(row), text)

    def _problem(self, row: Row) -> dict[str, Any]:
        problem = self.run.case(row["case"]).get("problem")
        return problem if isinstance(problem, dict) else {}


def _failing(rows: list[Row]) -> list[Row]:
    """The rows that fail, known deviations too."""
    return [row for row in rows if outcomes.fails(row["outcome"]) or row["outcome"] == "waived"]

"""The result of a check from Python: a verdict, the table of checks, the failures, and the report."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import finalize

from attention_harness.conformance.check import CheckResult
from attention_harness.conformance.records import CheckRow, FurtherFailure
from attention_harness.conformance.settings import Settings
from attention_harness.errors import UsageError
from attention_harness.registry.targets import Target
from attention_harness.runs import run as running
from attention_harness.runs.folder import RunRequest
from attention_harness.runs.replay_lines import call_line, command_line
from attention_specs.case import Case

if TYPE_CHECKING:
    import pandas as pd

    import attention_reports

WIDTH = 200
"""Characters of a line of `str(result)`; longer lines stay whole."""


@dataclass(frozen=True)
class FailureRecord:
    """One property that fails in one dtype."""

    property: str
    """Its name, a sentence."""
    id: str
    """`P4`, as in specs/attention.md."""
    dtype: str
    outcome: str
    sentence: str
    """What was got, and what should be."""
    case: str
    """The smallest problem that fails so; empty if all cases of the run are judged together."""
    replay: str
    """The call or the command that judges the property again."""
    record: str = ""
    """The id of the case: `save` writes it to cases/<id>.json."""
    looks_like: str = ""
    """The wrong reading of a call that explains it, in words; empty where none is known."""

    def __str__(self) -> str:
        where = f" [{self.case}]" if self.case else ""
        looks_like = f"\n  looks like: {self.looks_like}" if self.looks_like else ""
        head = f"{self.id} {self.property.replace('_', ' ')} ({self.dtype}): {self.sentence}{where}"
        return f"{head}{looks_like}\n  replay: {self.replay}"


class Result:
    """The result of `check_attention`. It is true if the function agrees with the specification, and enough could be judged.

    `str` is what the command shows, the first failure first; a notebook shows a table. Files of the check lie in a temporary
    folder, which goes with the result.
    """

    def __init__(self, checked: CheckResult, settings: Settings, folder: Path, in_process: bool) -> None:
        self.name, self.in_process, self.settings = checked.name, in_process, settings
        finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self._checked, self._folder = replace(checked, rows=[self._repeatable(row) for row in checked.rows]), folder
        target = Target(checked.name, "", registered=False)
        line = (call_line if in_process else command_line)(self.name, settings, [])
        run = running.Run(folder, RunRequest("check", [target], settings, {}).arguments(), line)
        running.write([self._checked], run, settings)
        running.complete(run)

    def __bool__(self) -> bool:
        return self._checked.right

    @property
    def verdict(self) -> str:
        """Whether it agrees with the specification, in a sentence; or why too little could be judged to say so."""
        from attention_reports import headline

        if self._checked.too_little and not self._checked.wrong:
            return f"{self.name}: {self._checked.rows[-1].message}"
        return headline.verdict(self._run).sentence

    @property
    def how(self) -> str:
        """How it was called: where, and with whose arrays."""
        described = self._checked.description
        place = "in this process: a crash would have been one of the caller" if self.in_process else "in a process of its own"
        if not described:
            return ""
        taken = "".join(f" {note[0].upper()}{note[1:]}." for note in described.notes)
        return f"{self.name} was called with {described.framework} arrays, {place}.{taken}"

    @property
    def rows(self) -> list[CheckRow]:
        """The rows of `frame` as objects."""
        return self._checked.rows

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row for each property and dtype, with the columns of checks.parquet: outcome, cases, worst ratio, message, ..."""
        import pandas as pd

        return pd.DataFrame([row.to_table() for row in self._checked.rows])

    @cached_property
    def failures(self) -> list[FailureRecord]:
        """Each property that fails in a dtype; first the one that explains most of the others."""
        from attention_reports.findings import findings

        cells = [cell for finding in findings(self._run) for cell in (finding.head, *finding.same)]
        return [self._failure(row) for cell in cells for row in cell.failing]

    def report(self, path: str | Path) -> Path:
        """Writes the report as one HTML file; returns its path. UsageError if it cannot be written."""
        from attention_reports import page

        path = Path(path)
        try:
            path.write_text(page.render(self._run), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"path={path}, but should be a file that can be written: {error.strerror}") from error
        return path

    def save(self, folder: str | Path) -> Path:
        """Copies the folder of the run, with tables, cases and report, to a new folder; returns its path.

        `attention-harness report`, `compare` and `replay` read it. UsageError if the folder exists, or cannot be written to.
        """
        import attention_reports as reports

        folder = Path(folder)
        try:
            shutil.copytree(self._folder, folder)
        except OSError as error:
            reason = error.strerror or "it cannot be written"
            raise UsageError(f"folder={folder}, but should be a new folder: {reason}") from error
        reports.write_report(folder)
        return folder

    def __str__(self) -> str:
        from rich.console import Console

        from attention_reports import print_checks

        text = StringIO()
        print_checks(self._run, Console(file=text, width=WIDTH, force_terminal=False, color_system=None))
        return f"{text.getvalue()}{self.how}"

    def __repr__(self) -> str:
        return f"<Result {'agrees' if self else 'does not agree'}: {self.verdict}>"

    def _repr_html_(self) -> str:
        """The verdict and a row for each failure, for a notebook."""
        from attention_reports.text import visible

        def cells(tag: str, *texts: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{escape(visible(text))}</{tag}>" for text in texts) + "</tr>"

        head = cells("th", "id", "property", "dtype", "outcome", "sentence", "case")
        rows = [
            cells("td", one.id, one.property.replace("_", " "), one.dtype, one.outcome, one.sentence, one.case)
            for one in self.failures
        ]
        table = f"<table>{head}{''.join(rows)}</table>" if rows else ""
        return f"<p><b>{escape(visible(self.verdict))}</b> {escape(visible(self.how))}</p>{table}"

    @cached_property
    def _run(self) -> attention_reports.Run:
        import attention_reports as reports

        return reports.Run.load(self._folder)

    def _failure(self, row: dict[str, str]) -> FailureRecord:
        case = self._case(row["case"])
        return FailureRecord(
            property=row["property"],
            id=row["clause"],
            dtype=row["dtype"],
            outcome=row["outcome"],
            sentence=row["message"].removesuffix(f" [{case}]"),
            case=case,
            replay=row["replay"],
            record=row["case"],
            looks_like=row["looks_like"],
        )

    def _case(self, name: str) -> str:
        """The problem of a recorded case, in words."""
        path = self._folder / "cases" / f"{name}.json"
        return str(Case.from_json(json.loads(path.read_text())["case"])) if name else ""

    def _repeatable(self, row: CheckRow) -> CheckRow:
        """The row with replay lines that need no file, since the folder goes with the result."""
        again = self._again(row.clause, row.property) if row.replay else ""
        others: list[FurtherFailure] = [{**other, "replay": again if other["replay"] else ""} for other in row.others]
        return replace(row, replay=again, others=others)

    def _again(self, clause: str, name: str) -> str:
        if self.in_process:
            return call_line(self.name, self.settings, [clause])
        return command_line(self.name, self.settings, [name])

"""The verdict of a check for a program: one small document, replaced as the check goes on, and there however the check ends.

`schemas/verdict.json` has its form.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Self, TypedDict

from attention_harness.errors import Outcome, UsageError

if TYPE_CHECKING:
    from attention_harness.conformance.plan import CheckResult
    from attention_harness.runs.run import Progress
    from attention_reports.cells import Cell

VERSION = 1
"""Of the document."""


class Stage(StrEnum):
    """The last stage that began."""

    REQUEST = "request"
    LOAD = "load"
    FIRST_STAGE = "first-stage"
    SUITE = "suite"


class Status(StrEnum):
    """The status of a check: an outcome, or why there is none."""

    CRASHED = Outcome.CRASHED
    TIMED_OUT = Outcome.TIMED_OUT
    OUT_OF_MEMORY = Outcome.OUT_OF_MEMORY
    ERRORED = Outcome.ERRORED
    VIOLATES = Outcome.VIOLATES
    TOO_LITTLE = Outcome.TOO_LITTLE
    AGREES = Outcome.AGREES
    UNAVAILABLE = Outcome.UNAVAILABLE
    NOT_JUDGED = "not-judged"
    NOT_LOADED = "not-loaded"
    INVALID_REQUEST = "invalid-request"
    HARNESS_FAULT = "harness-fault"
    UNFINISHED = "unfinished"
    """Interrupted, killed, or still running."""


class FailureEntry(TypedDict):
    """A property that fails, in the dtypes in which it fails in this way."""

    implementation: str
    id: str
    property: str
    dtypes: list[str]
    outcome: str
    sentence: str
    case: str
    replay: str


class Verdict:
    """The document, in a file. Without a path nothing is written."""

    def __init__(self, path: Path | None = None) -> None:
        self.path, self.began = path, monotonic()
        self.status, self.stage, self.message = Status.UNFINISHED, Stage.REQUEST, ""
        self.share: float | None = None
        self.failures: list[FailureEntry] = []

    @classmethod
    def requested(cls, arguments: Sequence[str]) -> Self:
        """That of `check --verdict FILE`. The words are read before the options are, since a wrong option has a verdict too."""
        words = [part for word in arguments for part in (word.split("=", 1) if word.startswith("--verdict=") else [word])]
        files = [file for option, file in pairwise(words) if option == "--verdict"]
        return cls(Path(files[-1]) if files and words[0] == "check" else None)

    def begin(self) -> None:
        """Writes that nothing is known yet. UsageError for a file that cannot be written."""
        try:
            self._write()
        except (OSError, ValueError) as error:  # a path without a name is a ValueError
            reason = getattr(error, "strerror", None) or "it is a folder"
            raise UsageError(f"verdict={self.path}, but should be a file that can be written: {reason}") from error

    def reach(self, stage: Stage) -> None:
        """Notes that a stage has begun."""
        if stage != self.stage:
            self.stage = stage
            self._write()

    def listening(self, progress: Progress, whole: bool) -> Progress:
        """The progress, which notes the first failure of each implementation, and the first step of a whole suite."""

        def step(name: str) -> None:
            if whole and not self.failures:
                self.reach(Stage.SUITE)
            progress.step(name)

        def failed(name: str, sentence: str) -> None:
            self.failures.append(_first_failure(name, sentence))
            self._write()
            progress.failed(name, sentence)

        return replace(progress, step=step, failed=failed)

    def judge(self, results: Sequence[CheckResult], folder: Path, whole: bool) -> None:
        """The end of a check, from its results and the tables in its folder, which are read only where the verdict is wanted."""
        if self.path is None:
            return
        asked, answered = sum(result.asked for result in results), sum(result.answered for result in results)
        self.share = round(answered / asked, 4) if asked else None
        described = any(result.description for result in results)
        self.stage = Stage.LOAD if not described else Stage.SUITE if whole and asked else Stage.FIRST_STAGE
        self.failures = _failures(folder)
        status = status_of(results)
        left_out = "; ".join(dict.fromkeys(filter(None, (result.unfinished for result in results))))
        self.end(status, _reason(results) if status in (Status.TOO_LITTLE, Status.UNAVAILABLE) else left_out)

    def end(self, status: Status, message: str = "") -> None:
        """The last word. A file that can no longer be written keeps what it has."""
        self.status, self.message = status, message
        with contextlib.suppress(OSError, ValueError):
            self._write()

    def document(self) -> dict[str, object]:
        """The content of the file."""
        return {
            "version": VERSION,
            "status": self.status,
            "stage": self.stage,
            "share_judged": self.share,
            "failures": self.failures,
            "message": self.message,
            "seconds": round(monotonic() - self.began, 1),
        }

    def _write(self) -> None:
        """Whole or not at all: a reader never meets half a document."""
        if self.path is None:
            return
        beside = self.path.with_name(f".{self.path.name}.partial")
        try:
            beside.write_text(json.dumps(self.document(), indent=1) + "\n", encoding="utf-8")
            beside.replace(self.path)
        finally:
            beside.unlink(missing_ok=True)


SILENT = Verdict()
"""Of a command that was not asked for one."""


def status_of(results: Sequence[CheckResult]) -> Status:
    """The status of a check with these results: the worst outcome that blames an implementation, else how much was judged."""
    outcomes = [row.outcome for result in results for row in result.rows]
    if any(result.ours for result in results):
        return Status.HARNESS_FAULT
    if wrong := [outcome for outcome in outcomes if outcome.wrong]:
        return Status(min(wrong, key=lambda outcome: outcome.severity))
    if any(result.too_little for result in results):
        return Status.TOO_LITTLE
    if Outcome.AGREES in outcomes:
        return Status.AGREES
    return Status.NOT_JUDGED if any(result.description for result in results) else Status.UNAVAILABLE


def _reason(results: Sequence[CheckResult]) -> str:
    """Why nothing, or too little, was judged."""
    absent = [result.rows[0].message for result in results if result.description is None]
    little = [result.rows[-1].message for result in results if result.too_little]
    return "; ".join(dict.fromkeys(little or absent))


def _first_failure(name: str, sentence: str) -> FailureEntry:
    """The entry of a failure that was met just now: `violates: output agrees with the oracle: out[0]=1, but ... [case]`."""
    outcome, property_, *rest = sentence.split(": ", 2)
    message, _, case = "".join(rest).removesuffix("]").rpartition(" [")
    return _entry(name, "", property_.replace(" ", "_"), [], outcome, message or property_, case, "")


def _failures(folder: Path) -> list[FailureEntry]:
    """The entries of a run, first the failure that explains most of the others."""
    from attention_reports import Run
    from attention_reports.findings import findings

    cells = [cell for finding in findings(Run.load(folder)) for cell in (finding.head, *finding.same)]
    return [_cell_entry(cell, folder) for cell in cells]


def _cell_entry(cell: Cell, folder: Path) -> FailureEntry:
    row = cell.witness
    case = _case(folder, row["case"])
    sentence = row["message"].removesuffix(f" [{case}]") or cell.name.replace("_", " ")
    return _entry(cell.implementation, cell.id, cell.name, cell.dtypes, cell.outcome.name, sentence, case, row["replay"])


def _entry(
    implementation: str, id: str, property: str, dtypes: list[str], outcome: str, sentence: str, case: str, replay: str
) -> FailureEntry:
    return FailureEntry(
        implementation=implementation, id=id, property=property, dtypes=dtypes, outcome=outcome, sentence=sentence, case=case,
        replay=replay,
    )  # fmt: skip


def _case(folder: Path, name: str) -> str:
    """The problem of a recorded case, in words."""
    from attention_specs.case import Case

    path = folder / "cases" / f"{name}.json"
    return str(Case.from_json(json.loads(path.read_text(encoding="utf-8"))["case"])) if name else ""

"""The check that all tests of one attention share, and the part of its result that they read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self, TypedDict

from attention_harness.conformance.judging import GATES
from attention_harness.conformance.records import CheckRow
from attention_harness.errors import UsageError
from attention_harness.registry.objects import name_of
from attention_harness.runs.check_attention import check_attention
from attention_harness.runs.environment import version_of
from attention_harness.runs.pytest_plugin.once import AbandonedError, once
from attention_harness.runs.result import FailureRecord, Result

Function = Callable[..., object]


class CheckOptions(TypedDict, total=False):
    """Arguments of `check_attention`."""

    examples: int | None
    seed: int
    dtypes: Sequence[str] | None
    declare: Mapping[str, bool | str] | None
    quick: bool
    framework: str | None
    timeout: float
    memory: int


@dataclass(frozen=True)
class CheckRecord:
    """The part of a result that tests read. It goes from process to process as JSON."""

    rows: list[CheckRow] = field(default_factory=list)
    failures: list[FailureRecord] = field(default_factory=list)
    seed: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    """Of this package and of the framework."""
    error: str = ""
    """Why there is no result."""

    @classmethod
    def of(cls, result: Result) -> Self:
        """The record of a result."""
        framework = {row.framework: row.version for row in result.rows if row.version}
        versions = {"attention-harness": version_of("attention-harness"), **framework}
        return cls(result.rows, result.failures, result.settings.seed, versions)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`."""
        data = json.loads(text)
        rows = [CheckRow.from_json(row) for row in data["rows"]]
        failures = [FailureRecord(**failure) for failure in data["failures"]]
        return cls(**data | {"rows": rows, "failures": failures})

    def to_json(self) -> str:
        """As text that another process reads."""
        return json.dumps(asdict(self))


@dataclass(eq=False)
class SharedCheck:
    """The check that the tests of one attention share, in all processes of a session."""

    f: Function | str
    tests: Sequence[str]
    """The properties that have a test of their own."""
    properties: Sequence[str]
    """The properties that are judged; all if empty."""
    options: CheckOptions
    place: Path | None = None
    """The file in which the processes of a session share the record."""

    @property
    def name(self) -> str:
        """The name of the attention."""
        return self.f if isinstance(self.f, str) else name_of(self.f)

    def narrow(self, selected: set[str]) -> None:
        """Judges these properties alone, if not all tests are selected."""
        if selected < set(self.tests):
            self.properties = [name for name in self.tests if name in selected]

    def default(self, *, examples: int | None, seed: int | None) -> None:
        """Takes these options where it has none of its own."""
        if examples is not None and not {"examples", "quick"} & self.options.keys():
            self.options["examples"] = examples
        if seed is not None:
            self.options.setdefault("seed", seed)

    @cached_property
    def record(self) -> CheckRecord:
        """The record of the check, which runs when it is first needed."""
        if self.place is None:
            return self._checked()
        try:
            return CheckRecord.from_json(once(self.place, lambda: self._checked().to_json()))
        except AbandonedError:
            advice = "give its name, and it is called in a process of its own" if callable(self.f) else "run the tests again"
            return CheckRecord(
                error=f"check of {self.name}=ended with the process of its tests, but should be finished: {advice}"
            )

    def _checked(self) -> CheckRecord:
        try:
            return CheckRecord.of(check_attention(self.f, properties=self.properties, **self.options))
        except UsageError as error:
            return CheckRecord(error=str(error))

    @property
    def ungated(self) -> list[str]:
        """The failures that leave nothing to judge, of properties that have no test of their own; and those of no property."""
        own = [one for one in self.record.failures if one.id in GATES and one.property not in self.properties]
        whole = [row for row in self.record.rows if not row.property and row.outcome.wrong]
        return [*(map(str, own) if self.properties else ()), *(row.message for row in whole)]

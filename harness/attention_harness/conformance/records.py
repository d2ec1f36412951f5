"""The rows of a run: one for each implementation, dtype and property."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self, TypedDict

from attention_harness.conformance.judging import Tally
from attention_harness.errors import Outcome
from attention_harness.registry.targets import spec_by_name
from attention_specs.contract import Description
from attention_specs.property import Property


class FurtherFailure(TypedDict):
    """A failure of another kind than the row's: its outcome, smallest case, message and program, and the number of such cases."""

    outcome: Outcome
    case: str
    message: str
    replay: str
    cases: int


@dataclass(frozen=True)
class Row:
    """A row of a table."""

    def to_json(self) -> dict[str, object]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True)
class CheckRow(Row):
    """A row of `checks`."""

    implementation: str
    framework: str
    version: str
    device: str
    dtype: str
    spec: str
    property: str
    clause: str
    outcome: Outcome
    cases: int
    vacuous: int
    worst_ratio: float
    seconds: float
    case: str
    message: str
    replay: str
    others: list[FurtherFailure] = field(default_factory=list)
    """Failures of other kinds."""
    looks_like: str = ""
    """The wrong reading of a call that explains the failure, in words; empty where none is known."""

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(**data | {"outcome": Outcome(data["outcome"])})

    def to_table(self) -> dict[str, object]:
        """A row of a table, where the others are text."""
        return self.to_json() | {"others": json.dumps(self.others) if self.others else ""}


@dataclass(frozen=True)
class PrecisionRow(Row):
    """A row of `precision`: one model for one dtype. `tightest` marks the first model that every element keeps."""

    implementation: str
    framework: str
    spec: str
    dtype: str
    model: str
    declared: bool
    tightest: bool
    cases: int
    elements: int
    median: float
    q99: float
    worst: float
    beside_eager: float


def check_row(
    d: Description,
    property_: Property,
    tally: Tally,
    *,
    dtype: str = "",
    case: str = "",
    message: str = "",
    replay: str = "",
    others: Sequence[FurtherFailure] = (),
) -> CheckRow:
    """The row for one property in one dtype; without a dtype, for the implementation as a whole."""
    return CheckRow(
        implementation=d.name,
        framework=d.framework,
        version=d.version,
        device=d.device,
        dtype=dtype,
        spec=d.spec,
        property=property_.name,
        clause=property_.id,
        outcome=tally.outcome,
        cases=tally.cases,
        vacuous=tally.vacuous,
        worst_ratio=tally.worst,
        seconds=tally.seconds,
        case=case,
        message=message,
        replay=replay,
        others=list(others),
    )


def absent_row(name: str, outcome: Outcome, reason: str) -> CheckRow:
    """The row of an implementation that could not be judged at all."""
    spec = spec_by_name(name)
    return CheckRow(
        implementation=name,
        framework=name.partition("-")[0],
        version="",
        device="",
        dtype="",
        spec=spec,
        property="",
        clause="",
        outcome=outcome,
        cases=0,
        vacuous=0,
        worst_ratio=0.0,
        seconds=0.0,
        case="",
        message=reason,
        replay="",
    )

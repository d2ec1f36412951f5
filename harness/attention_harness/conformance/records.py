"""What a run writes down: one row per implementation, dtype and property, and a file per failing case."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from attention_harness.conformance.judging import Tally
from attention_specs.contract import Description
from attention_specs.property import Property

BLAMELESS = ("agrees", "waived", "too-little", "vacuous", "unsupported", "unavailable")
"""Outcomes that speak against nobody; all others fail a check."""


@dataclass(frozen=True)
class Row:
    """A row of a table."""

    def to_json(self) -> dict[str, Any]:
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
    outcome: str
    cases: int
    vacuous: int
    worst_ratio: float
    seconds: float
    case: str
    message: str
    replay: str
    others: list[dict[str, Any]] = field(default_factory=list)
    """Failures of other kinds: outcome, case, message, replay, and in how many cases each was seen."""

    def to_table(self) -> dict[str, Any]:
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
    dtype: str,
    property_: Property,
    tally: Tally,
    case: str,
    message: str,
    replay: str,
    others: Sequence[dict[str, Any]] = (),
) -> CheckRow:
    """The row for one property in one dtype."""
    facts = (d.name, d.framework, d.version, d.device, dtype, d.spec, property_.name, property_.id)
    seen = (tally.outcome, tally.cases, tally.vacuous, tally.worst, tally.seconds)
    return CheckRow(*facts, *seen, case, message, replay, list(others))


def absent_row(name: str, outcome: str, reason: str) -> CheckRow:
    """The row of an implementation that could not be judged at all."""
    spec = "multi-head" if name.endswith("-multi-head") else "attention"
    return CheckRow(name, name.partition("-")[0], "", "", "", spec, "", "", outcome, 0, 0, 0.0, 0.0, "", reason, "")

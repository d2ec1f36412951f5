"""The first stage of a check: the few known cases that rejected most planted faults, each by the properties that did.

`first_stage.json` has them. `python -m attention_harness.audit.first_stage` makes it, from all rejections by known cases.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import TypedDict

TABLE = Path(__file__).with_name("first_stage.json")


class FirstStage(TypedDict):
    """The table, for each spec: the number of planted faults, those that no case of the stage rejects, and case id -> ids of
    properties."""

    made: str
    faults: dict[str, int]
    missed: dict[str, list[str]]
    cases: dict[str, dict[str, str]]


@cache
def load() -> FirstStage:
    """The table."""
    table: FirstStage = json.loads(TABLE.read_text(encoding="utf-8"))
    return table


def cases(spec: str) -> list[tuple[str, set[str]]]:
    """Case ids of the spec, in the order in which they are asked, each with the ids of properties."""
    return [(case, set(properties.split())) for case, properties in load()["cases"].get(spec, {}).items()]


def coverage(specs: Collection[str]) -> dict[str, object]:
    """The planted faults of these specs, those that the first stage rejects, the number of its cases, and the day of the table."""
    table = load()
    faults, missed = (
        sum(table["faults"].get(spec, 0) for spec in specs),
        sum(len(table["missed"].get(spec, ())) for spec in specs),
    )
    cases = sum(len(table["cases"].get(spec, ())) for spec in specs)
    return {"faults": faults, "rejected": faults - missed, "cases": cases, "audited": table["made"]}

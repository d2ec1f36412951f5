"""The first stage of a check: the few known cases that rejected most planted faults, each by the properties that did.

`first_stage.json` has them. `python -m attention_harness.audit.first_stage` makes it, from all rejections by known cases.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TypedDict

TABLE = Path(__file__).with_name("first_stage.json")


class FirstStage(TypedDict):
    """The table. `missed`: the faults that none of its cases rejects. `cases`: spec -> case id -> ids of properties."""

    made: str
    faults: int
    missed: list[str]
    cases: dict[str, dict[str, str]]


@cache
def load() -> FirstStage:
    """The table; an empty one where there is none yet."""
    table: FirstStage = json.loads(TABLE.read_text(encoding="utf-8"))
    return table


def cases(spec: str) -> list[tuple[str, set[str]]]:
    """Case ids of the spec, in the order in which they are asked, each with the ids of properties."""
    return [(case, set(properties.split())) for case, properties in load()["cases"][spec].items()]


def coverage() -> str:
    """The share of planted faults that the first stage rejects, in words."""
    table = load()
    return f"rejects {1 - len(table['missed']) / table['faults']:.0%} of {table['faults']} planted faults"

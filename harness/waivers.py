"""Known deviations of shipped implementations, as data: `implementations/waivers.toml`, one entry for each.

A waiver is strict. It names one implementation, one property, the outcome, why, where upstream says so, and a case on which
it shows. Every run asks that case again: a deviation that is gone is an error until its waiver is removed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.judging import fails
from harness.records import CheckRow
from harness.subject import Subject
from specs.claims import CLAIMS
from specs.problem import Case

PATH = Path(__file__).parents[1] / "implementations" / "waivers.toml"


@dataclass(frozen=True)
class Waiver:
    """One known deviation. `link` is where it is documented or reported."""

    implementation: str
    property: str
    outcome: str
    reason: str
    link: str
    case: Case


def load(path: Path = PATH) -> list[Waiver]:
    """All waivers; ValueError naming the entry for one that is incomplete or of a property that there is not."""
    entries = tomllib.loads(path.read_text()).get("waiver", [])
    return [_waiver(number, entry) for number, entry in enumerate(entries, 1)]


def _waiver(number: int, entry: dict[str, Any]) -> Waiver:
    try:
        waiver = Waiver(**entry | {"case": Case.from_json(entry["case"])})
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"waiver {number}: {error}, but should have the fields of Waiver and a case") from error
    if waiver.property not in CLAIMS:
        raise ValueError(f"waiver {number}: property={waiver.property}, but should be one of {', '.join(CLAIMS)}")
    return waiver


def waived(rows: Iterable[CheckRow], waivers: list[Waiver]) -> Iterator[CheckRow]:
    """The rows; those that fail as a waiver says have the outcome `waived` and its reason."""
    known = {(waiver.property, waiver.outcome): waiver for waiver in waivers}
    for row in rows:
        waiver = known.get((row.property, row.outcome))
        yield replace(row, outcome="waived", message=f"{waiver.reason} ({waiver.link}): {row.message}") if waiver else row


def outlived(subject: Subject, waivers: list[Waiver]) -> dict[str, str]:
    """Property -> what is wrong with its waiver: its case does not fail any more, or fails otherwise."""
    seen = [(waiver, fails(subject, CLAIMS[waiver.property], waiver.case)) for waiver in waivers]
    return {
        waiver.property: f"waiver of {waiver.property}={finding.outcome if finding else 'agrees'}, but should be {waiver.outcome}: "
        f"remove it from {PATH.parent.name}/{PATH.name} [{waiver.case}]"
        for waiver, finding in seen
        if finding is None or finding.outcome != waiver.outcome
    }

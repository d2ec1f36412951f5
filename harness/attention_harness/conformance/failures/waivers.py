"""Known deviations of shipped implementations, as data: `implementations/attention_implementations/waivers.toml`, one entry for each.

A waiver is strict. It names one implementation, one property, the outcome, why, where upstream says so, and a case on which
it shows. It covers the failures that can be followed to that case, and no others of the property: or, with `bias_below`, those
of a bias with such a number, which are right without it. Every run asks the case again: a deviation that is gone is an error until
its waiver is removed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import attention_implementations
from attention_harness.conformance.failures.causes import alike, leads_to
from attention_harness.conformance.judging import Finding, fails
from attention_harness.conformance.under_test import UnderTest
from attention_harness.errors import Outcome
from attention_specs.case import Case
from attention_specs.plain_data import require
from attention_specs.property import PROPERTIES, likely

PATH = Path(attention_implementations.__path__[0], "waivers.toml")


READ = ("case", "outcome", "bias_below")
"""The fields of an entry that are no text."""


@dataclass(frozen=True)
class Waiver:
    """One known deviation. `link` is where it is documented or reported."""

    implementation: str
    property: str
    outcome: Outcome
    reason: str
    link: str
    case: Case
    bias_below: float | None = None
    """The finite biases that are the cause, beside any other option and in any size: those below."""

    def __str__(self) -> str:
        return f"{self.reason} ({self.link})"


def load(path: Path = PATH) -> list[Waiver]:
    """All waivers; ValueError naming the entry for one that is incomplete or of a property that there is not."""
    entries = tomllib.loads(path.read_text()).get("waiver", [])
    return [_waiver(number, entry) for number, entry in enumerate(entries, 1)]


def _waiver(number: int, entry: dict[str, object]) -> Waiver:
    try:
        texts = {name: require(name, value, str) for name, value in entry.items() if name not in READ}
        waiver = Waiver(
            **texts,
            outcome=Outcome(require("outcome", entry["outcome"], str)),
            case=Case.from_json(entry["case"]),
            bias_below=require("bias_below", entry["bias_below"], float) if "bias_below" in entry else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"waiver {number}: {error}, but should have the fields of Waiver and a case") from error
    if waiver.property not in PROPERTIES:
        raise ValueError(f"waiver {number}: property={waiver.property}, but should be {likely(waiver.property)}")
    return waiver


def covering(under_test: UnderTest, waivers: Iterable[Waiver], case: Case, finding: Finding) -> Waiver | None:
    """The waiver whose case shows this failure: its case fails in the same way, and this failure has its cause."""
    for waiver in waivers:
        if (waiver.property, waiver.outcome) == (finding.property_.name, finding.outcome):
            known = waiver.case.with_problem(dtype=case.problem.dtype)
            if alike(under_test, finding.property_, known, finding.kind) and _shares(under_test, waiver, known, case, finding):
                return waiver
    return None


def _shares(under_test: UnderTest, waiver: Waiver, known: Case, case: Case, finding: Finding) -> bool:
    """Whether the cause of a waiver is that of the failure."""
    if waiver.bias_below is None:
        return leads_to(under_test, known, case, finding)
    bias = getattr(under_test.realise(case), "bias", None)
    if bias is None or not (bias[np.isfinite(bias)] < waiver.bias_below).any():
        return False
    return not alike(under_test, finding.property_, case.with_problem(bias=None), finding.kind)


def outlived(under_test: UnderTest, waivers: Iterable[Waiver]) -> Iterator[tuple[Waiver, str]]:
    """The waivers whose case is right by now, or fails otherwise, each with a message."""
    for waiver in waivers:
        finding = fails(under_test, PROPERTIES[waiver.property], waiver.case)
        seen = finding.outcome if finding else Outcome.AGREES
        if seen != waiver.outcome:
            where = f"{PATH.parent.name}/{PATH.name} [{waiver.case}]"
            yield waiver, f"waiver of {waiver.property}={seen}, but should be {waiver.outcome}: remove it from {where}"

"""Writes `failures.json`: for each property a fault and its smallest failure, for its page. `python docs/failures.py [ID...]`

It takes some minutes. Run it again when faults or properties change.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attention_harness import Result, check_attention
from attention_harness.conformance.check import load_properties
from attention_specs.property import PROPERTIES, Property
from generator.properties import ELSEWHERE, FAILURES, Failure, audit, candidates

MOST = 12
"""Faults that are tried for one property: the failure of some needs the calls of other properties before it."""
NONE: Failure = {"fault": "", "outcome": "", "sentence": "", "case": None}


def targets(property_: Property) -> dict[str, object]:
    """Fault -> what is checked, in the order of trial; a fault that may hang has a process of its own."""
    if property_.id in ELSEWHERE:
        return {ELSEWHERE[property_.id]: ELSEWHERE[property_.id]}
    faults = candidates(property_)[:MOST]
    return {fault.name: fault.location if fault.alone else fault.function for fault in faults}


def failure(fault: str, target: object, id: str) -> Failure:
    """The first failure of the fault, made small; empty if no case shows it."""
    for quick, seed in ((True, 0), (False, audit()["seed"])):
        result = check_attention(target, properties=[id], quick=quick, seed=seed, timeout=5)
        for first in result.failures:
            return {
                "fault": fault,
                "outcome": first.outcome,
                "sentence": first.sentence,
                "case": recorded(result, first.record),
            }
    return NONE


def recorded(result: Result, id: str) -> dict[str, Any] | None:
    """The case of that id, as the run recorded it; None for a failure of all cases together."""
    if not id:
        return None
    with TemporaryDirectory() as folder:
        text = (result.save(f"{folder}/run") / "cases" / f"{id}.json").read_text(encoding="utf-8")
    case: dict[str, Any] = json.loads(text)["case"]
    return case


def main(ids: list[str], path: Path = FAILURES) -> None:
    """The failures of these properties, of all by default, into the file."""
    load_properties()
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for property_ in PROPERTIES.values():
        if not ids or property_.id in ids:
            tried = (failure(fault, target, property_.id) for fault, target in targets(property_).items())
            known[property_.id] = next((one for one in tried if one["sentence"]), NONE)
            path.write_text(json.dumps(known, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

"""One recorded case again, on the implementation that failed it or on another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from harness.conformance import load_claims
from harness.isolation import Trouble, Worker
from harness.judging import fails
from harness.recorded import read
from harness.subject import Subject
from harness.targets import UsageError, resolve


@dataclass(frozen=True)
class Replayed:
    """What the replay showed."""

    sentence: str
    wrong: bool


def replay(path: Path, other: str | None = None) -> Replayed:
    """Judges the recorded property on the recorded case. UsageError for a file or a target that cannot be used."""
    load_claims()
    recorded = read(path)
    target, claim, case = resolve([other])[0] if other else recorded.target, recorded.claim, recorded.case
    with Worker(target, recorded.limits) as worker:
        try:
            subject = Subject(worker, worker.description())
        except Trouble as trouble:
            raise UsageError(f"target={target.name}, but should be available: {trouble}") from trouble
        case = replace(case, problem=subject.spec.restrict(case.problem, subject.description.options))
        finding = fails(subject, claim, case)
    if finding is None:
        return Replayed(f"agrees: {claim.name} holds for {target.name} [{case}]", False)
    return Replayed(f"{finding.outcome}: {finding.verdict.message} [{case}]", True)

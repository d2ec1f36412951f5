"""One recorded case again, on the implementation that failed it or on another, judged as the run judged it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from attention_harness.conformance.check import load_claims
from attention_harness.conformance.judging import Finding, applies, find
from attention_harness.conformance.recorded import Recorded, read
from attention_harness.conformance.text import printable
from attention_harness.conformance.under_test import Subject
from attention_harness.errors import Trouble, UsageError
from attention_harness.process.worker import Worker
from attention_harness.registry.targets import resolve
from attention_specs.case import Case
from attention_specs.contract import Conventions, Description
from attention_specs.property import Claim

REPEATED = ("P10", "P11", "R15", "S5")
"""Clauses about earlier calls and chance: one call that is right says little."""
TIMES = 20
NOT_JUDGED = ("unsupported", "vacuous")


@dataclass(frozen=True)
class Replayed:
    """What the replay showed; `judged` is False where nothing could be said."""

    sentence: str
    wrong: bool
    judged: bool = True


def replay(path: Path, other: str | None = None, claims: Mapping[str, Any] | None = None) -> Replayed:
    """Judges the recorded property on the recorded case. UsageError for a file or a target that cannot be used.

    The conventions are those of the run for the function that the run judged, where it cannot declare any; `claims` come on top.
    """
    load_claims()
    recorded = read(path)
    target = resolve([other])[0] if other else recorded.target
    with Worker(target, recorded.limits) as worker:
        try:
            description = worker.description()
        except Trouble as trouble:
            raise UsageError(f"target={target.name}, but should be available: {trouble}") from trouble
        if description.spec != recorded.claim.spec:
            raise UsageError(f"target={target.name}, but should be of the spec {recorded.claim.spec}: it is {description.spec}")
        kept = {} if other or target.registered else recorded.conventions
        return _judged(Subject(worker, _under(description, {**kept, **(claims or {})})), recorded)


def _under(description: Description, claims: Mapping[str, Any]) -> Description:
    """The description with these conventions in place of those declared."""
    own = {name: getattr(description.conventions, name) for name in Conventions.__dataclass_fields__}
    return replace(description, conventions=Conventions.declared(own | dict(claims)))


def _judged(subject: Subject, recorded: Recorded) -> Replayed:
    claim, case = recorded.claim, recorded.case
    name, where = subject.description.name, f"[{case}]"
    if reason := _unasked(subject, claim, case):
        return Replayed(f"not judged: {claim.name} for {name}: {reason} {where}", False, False)
    times = TIMES if claim.clause in REPEATED else 1
    for number in range(1, times + 1):
        finding = _found(subject, claim, case)
        if finding is None or finding.outcome in NOT_JUDGED:
            why = finding.verdict.message if finding else ""
            return Replayed(f"not judged: {claim.name} for {name}: {why or 'the case does not apply'} {where}", False, False)
        if finding.wrong:
            seen = f" (call {number} of at most {times})" if times > 1 else ""
            return Replayed(f"{finding.outcome}: {finding.verdict.message}{seen} {where}", True)
    if recorded.when:
        why = f"it holds alone, and the run said of its failure: {printable(recorded.when)}"
        return Replayed(f"not judged: {claim.name} for {name}: {why} {where}", False, False)
    often = f", {times} times in a row" if times > 1 else ""
    return Replayed(f"agrees: {claim.name} holds for {name}{often} {where}", False)


def _unasked(subject: Subject, claim: Claim, case: Case) -> str:
    """Why the claim cannot be judged on this case whatever the implementation answers; nothing if it can."""
    description = subject.description
    if missing := [option for option in claim.options if option not in description.options]:
        return f"{', '.join(missing)} not in its signature"
    if claim.gradient and not description.gradient:
        return "gradient not declared"
    if claim.over_run:
        return "all cases of a run are judged together, not one alone"
    if description.dtypes is not None and case.problem.dtype not in description.dtypes:
        return f"{case.problem.dtype} not declared"
    try:
        subject.lowered(subject.realise(case))
    except Trouble as trouble:
        return str(trouble)
    return ""


def _found(subject: Subject, claim: Claim, case: Case) -> Finding | None:
    """What the claim says of the case, asked anew; None where it does not apply."""
    subject.forget()
    x = subject.realise(case)
    return find(subject, claim, x) if applies(subject, claim, x) else None

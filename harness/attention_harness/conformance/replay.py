"""One recorded case again, on the implementation that failed it or on another, judged as the run judged it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from attention_harness.conformance.check import load_properties
from attention_harness.conformance.failures.case_file import CaseFile, read
from attention_harness.conformance.judging import Finding, applies, find
from attention_harness.conformance.under_test import UnderTest
from attention_harness.errors import CallFailed, Outcome, UsageError, printable
from attention_harness.process.worker import Worker
from attention_harness.registry.targets import resolve
from attention_specs.case import Case
from attention_specs.contract import ATTRIBUTES, Description
from attention_specs.property import Property

REPEATED = ("P10", "P11", "R15", "S5")
"""Ids of the properties about earlier calls and chance: one call that is right says little."""
TIMES = 20
NOT_JUDGED = (Outcome.UNSUPPORTED, Outcome.VACUOUS)


@dataclass(frozen=True)
class ReplayResult:
    """The result of a replay; `judged` is False where the property could not be judged."""

    sentence: str
    wrong: bool
    judged: bool = True


def replay(path: Path, other: str | None = None, declared: Mapping[str, object] | None = None) -> ReplayResult:
    """Judges the recorded property on the recorded case. UsageError for a file or a target that cannot be used.

    A function that cannot declare conventions has those of the run that judged it; those in `declared` come on top, and so do attributes.
    """
    load_properties()
    record = read(path)
    attributes = {name: value for name, value in (declared or {}).items() if name in ATTRIBUTES}
    target = (resolve([other])[0] if other else record.target).declaring(attributes)
    if not target.location:
        raise UsageError(f"target={target.name}, but should be given beside the file: the check was of a function object")
    with Worker(target, record.limits) as worker:
        try:
            description = worker.description()
        except CallFailed as failure:
            raise UsageError(f"target={target.name}, but should be available: {failure}") from failure
        if description.spec != record.property_.spec:
            raise UsageError(f"target={target.name}, but should be of the spec {record.property_.spec}: it is {description.spec}")
        kept = {} if other or target.registered else record.conventions
        conventions = {name: value for name, value in (declared or {}).items() if name not in ATTRIBUTES}
        return _judged(UnderTest(worker, _under(description, {**kept, **conventions})), record)


def _under(description: Description, declared: Mapping[str, object]) -> Description:
    """The description with these conventions in place of those declared."""
    return replace(description, conventions=description.conventions.updated(declared))


def _judged(under_test: UnderTest, record: CaseFile) -> ReplayResult:
    property_, case = record.property_, record.case
    name, where = under_test.description.name, f"[{case}]"
    if reason := _unasked(under_test, property_, case):
        return ReplayResult(f"not judged: {property_.name} for {name}: {reason} {where}", False, False)
    times = TIMES if property_.id in REPEATED else 1
    for number in range(1, times + 1):
        finding = _finding(under_test, property_, case)
        if finding is None or finding.outcome in NOT_JUDGED:
            why = finding.verdict.message if finding else ""
            return ReplayResult(
                f"not judged: {property_.name} for {name}: {why or 'the case does not apply'} {where}", False, False
            )
        if finding.wrong:
            seen = f" (call {number} of at most {times})" if times > 1 else ""
            return ReplayResult(f"{finding.outcome}: {finding.verdict.message}{seen} {where}", True)
    if record.when:
        why = f"it holds alone, and the run said of its failure: {printable(record.when)}"
        return ReplayResult(f"not judged: {property_.name} for {name}: {why} {where}", False, False)
    often = f", {times} times in a row" if times > 1 else ""
    return ReplayResult(f"agrees: {property_.name} holds for {name}{often} {where}", False)


def _unasked(under_test: UnderTest, property_: Property, case: Case) -> str:
    """The reason that the property cannot be judged on this case, whatever the answer; empty if it can."""
    description = under_test.description
    if missing := [option for option in property_.options if option not in description.options]:
        return f"{', '.join(missing)} not in its signature"
    if property_.gradient and not description.gradient:
        return "gradient not declared"
    if property_.over_run:
        return "all cases of a run are judged together, not one alone"
    if description.dtypes is not None and case.problem.dtype not in description.dtypes:
        return f"{case.problem.dtype} not declared"
    try:
        under_test.lowered(under_test.realise(case))
    except CallFailed as failure:
        return str(failure)
    return ""


def _finding(under_test: UnderTest, property_: Property, case: Case) -> Finding | None:
    """The finding of the property on the case, asked anew; None where it does not apply."""
    under_test.forget()
    x = under_test.realise(case)
    return find(under_test, property_, x) if applies(under_test, property_, x) else None

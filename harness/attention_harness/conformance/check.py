"""Checks implementations side by side, case by case: they share the inputs of a case and the answers of the oracle."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from importlib import import_module

from attention_harness.conformance.conformance_check import ConformanceCheck
from attention_harness.conformance.oracle_cache import CachedOracle
from attention_harness.conformance.our_faults import our_fault, require_space
from attention_harness.conformance.plan import CheckResult as CheckResult
from attention_harness.conformance.plan import Listener
from attention_harness.conformance.plan import Plan as Plan
from attention_harness.conformance.records import absent_row
from attention_harness.conformance.under_test import UnderTest
from attention_harness.errors import CallFailed, Outcome, UsageError, printable
from attention_harness.process.in_process import InProcessWorker
from attention_harness.process.worker import Worker
from attention_harness.registry.targets import Target
from attention_specs.properties import load_all
from attention_specs.property import matching
from attention_specs.registry import SPECS
from attention_specs.spec import spec_of
from attention_specs.stopwatch import Stopwatch, as_one, running, timed


def check(target: Target, plan: Plan, listener: Listener = Listener()) -> CheckResult:
    """Judges one target by every property that its signature supports. Whatever the target does, this returns.

    A fault of ours ends the check of this target alone, and its row names it as ours.
    """
    return check_together([target], plan, lambda name: listener)[0]


def check_together(targets: Sequence[Target], plan: Plan, listener: Callable[[str], Listener]) -> list[CheckResult]:
    """As `check`, of several targets, each with the listener of its name. One that hangs keeps the others waiting."""
    load_properties()
    oracles = {name: CachedOracle(spec_of(name)) for name in SPECS} if len(targets) > 1 else {}
    with ExitStack() as processes:
        participants = [
            Participant(target, partial(_begun, target, plan, listener(target.name), oracles, processes)) for target in targets
        ]
        return _side_by_side(participants, oracles)


def check_function(worker: InProcessWorker, plan: Plan, listener: Listener = Listener()) -> CheckResult:
    """As `check`, of a function that is called in this process: whatever ends the process ends the check with it."""
    load_properties()
    target = Target(worker.description.name, "", registered=False)
    under_test = UnderTest(worker, worker.description)
    return _side_by_side([Participant(target, lambda: ConformanceCheck(under_test, target, plan, listener))], {})[0]


class Participant:
    """One target on its way. It ends with a result, whatever happens."""

    def __init__(self, target: Target, begin: Callable[[], ConformanceCheck | CheckResult]) -> None:
        self.target, self.begin, self.stopwatch = target, begin, Stopwatch()

    def step(self, steps: Iterator[None]) -> bool:
        """One case more; whether there was one."""
        with running(self.stopwatch):
            return next(steps, ENDED) is not ENDED

    def steps(self) -> Iterator[None]:
        """One case after another; `result` is there after the last."""
        try:
            begun = self.begin()
            if isinstance(begun, ConformanceCheck):
                yield from begun.steps()
                begun = _result(begun)
            self.result = begun
        except Exception as error:
            require_space(error)
            self.result = CheckResult(
                self.target.name, [absent_row(self.target.name, Outcome.ERRORED, our_fault(error))], ours=True
            )


def _side_by_side(participants: Sequence[Participant], oracles: Mapping[str, CachedOracle]) -> list[CheckResult]:
    """The results, after a step of each in turn until all have ended."""
    going = [(one, one.steps()) for one in participants]
    while going:
        for oracle in oracles.values():
            oracle.forget()
        going = [(one, steps) for one, steps in going if one.step(steps)]
    return [replace(one.result, seconds=one.stopwatch.rounded()) for one in participants]


ENDED = object()


@timed("start")
def _begun(
    target: Target, plan: Plan, listener: Listener, oracles: Mapping[str, CachedOracle], processes: ExitStack
) -> ConformanceCheck | CheckResult:
    """The check of a target whose process has started; its result where that cannot be loaded."""
    worker, aside = (processes.enter_context(Worker(target, plan.settings.limits)) for _ in range(2))
    try:
        description = worker.description()
    except CallFailed as failure:
        outcome = Outcome.UNAVAILABLE if failure.outcome == Outcome.UNLOADABLE else failure.outcome
        message = printable(str(failure))
        unloadable = message if failure.outcome == Outcome.UNLOADABLE else ""
        return CheckResult(target.name, [absent_row(target.name, outcome, message)], unloadable=unloadable)
    return ConformanceCheck(UnderTest(worker, description, oracles.get(description.spec)), target, plan, listener, aside)


def _result(checking: ConformanceCheck) -> CheckResult:
    """The result after the last step. Its failures are made small alone: their cases are no longer shared."""
    checking.under_test.spec = spec_of(checking.under_test.description.spec)
    with as_one("smallest"):
        rows = [] if checking.plan.settings.shard else checking.finished_rows()
    judged, counts = checking.answer_counts, checking.counts
    return CheckResult(
        name=checking.target.name,
        rows=rows,
        description=checking.under_test.description,
        worked_example=counts.worked_example,
        precision=checking.precision(),
        ours=checking.ours,
        asked=judged.asked,
        answered=judged.answered,
        covered=counts.covered,
        too_little=judged.too_little,
        further=counts.further,
        unfinished=checking.unfinished,
    )


def load_properties() -> None:
    """Registers all properties in `PROPERTIES`: those of the property modules and the worked example."""
    load_all()
    import_module("attention_specs.worked_example")


def property_names(wanted: Collection[str]) -> tuple[str, ...]:
    """The names of the properties that these ids, names and patterns over either mean. UsageError for one that means none."""
    load_properties()
    if isinstance(wanted, str):
        raise UsageError(f"properties={wanted}, but should be a list of ids, names or patterns")
    try:
        return tuple(one.name for one in matching(wanted))
    except ValueError as error:
        raise UsageError(str(error)) from error

"""Times targets on workloads: every replica is a fresh process that runs all workloads, with one import of each framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from attention_harness.errors import Outcome
from attention_harness.registry import targets as known
from attention_harness.registry.targets import Target
from attention_harness.timing.analysis import tables
from attention_harness.timing.analysis.measurements import TWIN, Measurements
from attention_harness.timing.analysis.tables import Row
from attention_harness.timing.budget import Budget
from attention_harness.timing.measure.load import system_load
from attention_harness.timing.plan import Plan, PlannedWorkload
from attention_harness.timing.process.child import CandidateFailed, Child, Start
from attention_harness.timing.process.session import Session
from attention_harness.timing.settings import Settings
from attention_harness.timing.workload_run import WorkloadRun
from attention_harness.timing.workloads import Workload
from attention_specs.contract import Description

Progress = Callable[[str], None]
DEFAULTS = Settings()


@dataclass(frozen=True)
class Bench:
    """`rows` of the table `timings`; `noise` of the session; `absent`, candidate -> why it could not be loaded."""

    rows: list[Row]
    noise: dict[str, object]
    absent: dict[str, str]
    unloadable: tuple[str, ...] = ()
    """Those of `absent` that are broken: they ended the process or raised when they were imported."""
    rounds: list[Row] = field(default_factory=list)
    """Rows of the table `rounds`."""
    schedule: dict[str, object] = field(default_factory=dict)
    """Seed and sizes, to time again in the same order on the same values."""
    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """Workload -> implementation -> seconds per call, one per slot, in the order in which they were taken."""
    budget: dict[str, object] = field(default_factory=dict)
    """Seconds planned and used, processes left out, and comparisons ended early: see `Plan.record`."""


def bench(
    targets: Sequence[Target],
    workloads: Sequence[Workload],
    settings: Settings = DEFAULTS,
    progress: Progress = lambda line: None,
    start: Start | None = None,
    budget: Budget | None = None,
) -> Bench:
    """Times all targets on all workloads. The baseline is added if it is not among the targets. Raises UsageError.

    A budget ends the timing early: every workload is timed in one process before any is in a second.
    """
    entries = with_baseline(targets, settings.baseline)
    plan, load = Plan.of(workloads, settings, budget or Budget()), system_load()
    absent: dict[str, CandidateFailed] = {}
    descriptions: dict[str, Description] = {}
    for replica in range(settings.processes):
        if not (due := plan.due()):
            break
        wanted = [target for target in entries if any(target.name not in one.measurements.ended for one in due)]
        with Session(start or (lambda: Child(settings.timeout, settings.memory)), wanted, absent) as session:
            if not _begun(session, due, plan, targets, progress, f"process {replica + 1} of {settings.processes}"):
                break
            for one in plan.affordable(due):
                progress(f"{one.name}, process {replica + 1} of {settings.processes}")
                WorkloadRun(session, one.expected, one.measurements, settings, replica).run()
            descriptions |= session.descriptions
    return _result(plan, descriptions, absent, load)


def _begun(
    session: Session, due: Sequence[PlannedWorkload], plan: Plan, targets: Sequence[Target], progress: Progress, where: str
) -> bool:
    """Starts the process of a session; whether there is anything to compare with the baseline."""
    progress(f"candidates are imported, {where}")
    with plan.budget.starting():
        session.ready(lambda: prepare(due))
    return bool({target.name for target in targets} & set(session.descriptions))


def prepare(due: Sequence[PlannedWorkload]) -> None:
    """Asks the oracle, which takes seconds, while another process imports frameworks, which does too."""
    for one in due:
        one.expected.prepare()


def _result(plan: Plan, descriptions: dict[str, Description], absent: Mapping[str, CandidateFailed], load: float) -> Bench:
    by_workload = [one.measurements for one in plan.workloads if one.runs or one not in plan.left_out]
    unloadable = tuple(name for name, failure in absent.items() if failure.outcome != Outcome.UNAVAILABLE)
    for name in set(unloadable) - set(descriptions):
        descriptions[name] = Description(name, framework="", device="")
        for measurements in by_workload:
            measurements.lose(name, absent[name].outcome, f"cannot be loaded: {absent[name].reason}")
    results = [
        tables.WorkloadResult.from_measurements(measurements, descriptions, plan.settings.baseline)
        for measurements in by_workload
    ]
    return Bench(
        rows=tables.judge(results),
        rounds=tables.rounds(by_workload),
        noise=tables.noise(results, max(load, system_load())),
        absent={name: failure.reason for name, failure in absent.items()},
        unloadable=unloadable,
        schedule=_schedule(plan.settings, by_workload),
        samples={measurements.workload.name: _samples(measurements) for measurements in by_workload},
        budget=plan.record(),
    )


def with_baseline(targets: Sequence[Target], baseline: str) -> list[Target]:
    """The targets, and the baseline before them unless it is one of them. Raises UsageError for a name unknown."""
    if any(target.name == baseline for target in targets):
        return list(targets)
    return [*known.resolve([baseline]), *targets]


def _samples(measurements: Measurements) -> dict[str, list[float]]:
    names = sorted({name for lap in measurements.laps for name in lap.result.seconds} - {TWIN})
    return {name: measurements.samples(name) for name in names if name not in measurements.lost}


def _schedule(settings: Settings, by_workload: Sequence[Measurements]) -> dict[str, object]:
    """Seed and sizes; the orders follow from them."""
    rows = {one.workload.name: [len(next(iter(lap.result.seconds.values()))) for lap in one.laps] for one in by_workload}
    return {"seed": settings.seed, "processes": settings.processes, "copies": settings.copies, "rows_of_rounds": rows}

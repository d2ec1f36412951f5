"""Times targets on workloads: every replica is a fresh process that visits all workloads, so that imports are paid once each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from attention_harness.registry import targets as known
from attention_harness.registry.targets import Target
from attention_harness.timing.analysis import tables
from attention_harness.timing.analysis.measurements import TWIN, Measurements
from attention_harness.timing.expected_outputs import ExpectedOutputs
from attention_harness.timing.measure.load import system_load
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

    rows: list[dict[str, Any]]
    noise: dict[str, Any]
    absent: dict[str, str]
    unloadable: tuple[str, ...] = ()
    """Those of `absent` that are there but broken: they ended the process or raised when they were imported."""
    rounds: list[dict[str, Any]] = field(default_factory=list)
    """Rows of the table `rounds`."""
    schedule: dict[str, Any] = field(default_factory=dict)
    """What it takes to time again in the same order on the same values."""
    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """Workload -> implementation -> seconds per call, one per slot, in the order in which they were taken."""


def bench(
    targets: Sequence[Target],
    workloads: Sequence[Workload],
    settings: Settings = DEFAULTS,
    progress: Progress = lambda line: None,
    start: Start | None = None,
) -> Bench:
    """Times all targets on all workloads. The baseline is added if it is not among the targets. Raises UsageError."""
    entries = with_baseline(targets, settings.baseline)
    absent: dict[str, CandidateFailed] = {}
    founds = [Measurements(workload) for workload in workloads]
    expectations = [ExpectedOutputs(workload, settings.seed, settings.copies) for workload in workloads]
    load = system_load()
    descriptions: dict[str, Description] = {}
    for replica in range(settings.processes):
        with Session(start or (lambda: Child(settings.timeout, settings.memory)), entries, absent) as session:
            progress(f"candidates are imported, process {replica + 1} of {settings.processes}")
            session.ready(lambda: prepare(expectations))
            if not {target.name for target in targets} & set(session.descriptions):
                break  # there is nothing to compare with the baseline
            for found, expectation in zip(founds, expectations, strict=True):
                progress(f"{found.workload.name}, process {replica + 1} of {settings.processes}")
                WorkloadRun(session, expectation, found, settings, replica).run()
            descriptions |= session.descriptions
    unloadable = tuple(name for name, lost in absent.items() if lost.outcome != "unavailable")
    for name in set(unloadable) - set(descriptions):
        descriptions[name] = Description(name, framework="", device="")
        for found in founds:
            found.lose(name, absent[name].outcome, f"cannot be loaded: {absent[name].reason}")
    measured = [tables.WorkloadResult.of(found, descriptions, settings.baseline) for found in founds]
    return Bench(
        rows=tables.judge(measured),
        rounds=tables.rounds(founds),
        noise=tables.noise(measured, max(load, system_load())),
        absent={name: lost.reason for name, lost in absent.items()},
        unloadable=unloadable,
        schedule=_schedule(settings, founds),
        samples={found.workload.name: _samples(found) for found in founds},
    )


def prepare(expectations: Sequence[ExpectedOutputs]) -> None:
    """Asks the oracle, which takes seconds, while another process imports frameworks, which does too."""
    for expectation in expectations:
        expectation.prepare()


def with_baseline(targets: Sequence[Target], baseline: str) -> list[Target]:
    """The targets, and the baseline before them unless it is one of them. Raises UsageError for a name unknown."""
    if any(target.name == baseline for target in targets):
        return list(targets)
    return [*known.resolve([baseline]), *targets]


def _samples(found: Measurements) -> dict[str, list[float]]:
    names = sorted({name for lap in found.laps for name in lap.ran.seconds} - {TWIN})
    return {name: found.samples(name) for name in names if name not in found.lost}


def _schedule(settings: Settings, founds: Sequence[Measurements]) -> dict[str, Any]:
    """Seed and sizes; the orders follow from them."""
    laps = {found.workload.name: [len(next(iter(lap.ran.seconds.values()))) for lap in found.laps] for found in founds}
    return {"seed": settings.seed, "processes": settings.processes, "copies": settings.copies, "rows_of_rounds": laps}

"""Every fault against every property, on the cases of a standard run: case by case, all functions side by side.

So the oracle is asked once for all of them. A function that may end its process has a worker process of its own, as in a check.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

from attention_harness.audit.controls import BASES, CONTROLS
from attention_harness.audit.quiet_process import quiet_process
from attention_harness.audit.selection import Entry, Selection
from attention_harness.audit.trials import Base, Kill, MutantRun, Trial
from attention_harness.conformance import check
from attention_harness.conformance.check import Plan
from attention_harness.conformance.oracle_cache import CachedOracle
from attention_harness.errors import CallFailed, UsageError
from attention_harness.process.limits import Limits
from attention_harness.process.worker import Worker
from attention_harness.runs.executors import map_in_pool
from attention_specs.case import Case
from attention_specs.property import PROPERTIES, Property
from attention_specs.spec import spec_of

LIMITS = Limits(10.0, 3072)
"""Seconds of a call and MiB of a worker, for faults that hang or eat memory."""

SPECS = ("attention", "multi-head", "merge")

Tick = Callable[[str], None]


@dataclass(frozen=True)
class Examined:
    """The result of one function. `seen`: property -> its judged cases, and the vacuous ones; of a property of the whole
    run, the dtypes. `rejections`: place of a case in the suite -> ids of the properties that reject the function on it."""

    name: str
    kills: tuple[Kill, ...]
    cases: int
    seconds: float
    seen: Mapping[str, tuple[int, int]]
    rejections: Mapping[int, str] = field(default_factory=dict)

    @property
    def first(self) -> Kill | None:
        """The first rejection."""
        return self.kills[0] if self.kills else None


def audit(selection: Selection, plan: Plan, quick: bool, jobs: int, step: Tick) -> Iterator[Examined]:
    """Tries the entries, in so many processes and one that mostly waits.

    With `quick` each fault until its first kill.
    """
    alone = [entry for entry in selection.entries if entry.alone]
    shares = [
        partial(_side_by_side, selection, share, plan, quick, first == 0) for first, share in enumerate(_shares(selection, jobs))
    ]
    processes = len(shares) + bool(alone)  # one more for those that hang: it mostly waits
    for results in map_in_pool(_called, [*shares, *(partial(_by_itself, entry, plan) for entry in alone)], processes, step):
        yield from results


def _shares(selection: Selection, jobs: int) -> list[list[Entry]]:
    """The entries that go side by side, in at most so many parts."""
    together = [entry for entry in selection.entries if not entry.alone and not entry.base]
    return [together[first::jobs] for first in range(min(jobs, len(together)))]


def length(selection: Selection, plan: Plan, jobs: int) -> int:
    """Steps of an audit, for a bar."""
    specs = {entry.spec for entry in selection.entries}
    cases = sum(len(plan.suites[spec]) for spec in specs)
    return len(_shares(selection, jobs)) * cases + sum(entry.alone for entry in selection.entries)


def _called(examine: Callable[[Tick], list[Examined]], tick: Tick) -> list[Examined]:
    quiet_process()
    check.load_properties()
    return examine(tick)


def _side_by_side(
    selection: Selection, entries: Sequence[Entry], plan: Plan, quick: bool, first: bool, tick: Tick
) -> list[Examined]:
    """A share of the entries, on all cases in turn; the first share also reports the bases that are entries."""
    functions = selection.functions()
    gc.freeze()  # what is loaded stays: a tenth of the time went into looking through it for garbage
    gc.set_threshold(20_000, 10, 50)
    specs = {name: CachedOracle(spec_of(name)) for name in SPECS}
    bases = [Base(name, CONTROLS[name], plan, specs) for name in BASES]
    trials = [MutantRun(entry.name, functions[entry.name], plan, specs, bases, entry.turn) for entry in entries]
    reported = bases if first and any(entry.base for entry in selection.entries) else []
    needed = [base for base in bases if base in reported or any(trial.needs(base) for trial in trials)]
    for name, spec in specs.items():
        chosen = [trial for trial in (*needed, *trials) if trial.description.spec == name]
        _all_cases(chosen, spec, quick, tick, Note(selection.notes))
    return [examined(trial) for trial in (*reported, *trials)]


class Note:
    """The name of the function that this process calls, in a folder where its parent finds it; without a folder, nothing."""

    def __init__(self, folder: Path | None) -> None:
        self.path = folder and folder / str(os.getpid())

    def write(self, name: str) -> None:
        """Another function is called."""
        if self.path:
            self.path.write_text(name, encoding="utf-8")

    def remove(self) -> None:
        """No function is called any more."""
        if self.path:
            self.path.unlink(missing_ok=True)


NOWHERE = Note(None)


def _all_cases(trials: Sequence[Trial], spec: CachedOracle, quick: bool, tick: Tick, note: Note = NOWHERE) -> None:
    """Every case for all of these that are still of interest. The bases come first: the others are compared with them."""
    schedules = [(trial, _in_turn(trial)) for trial in trials]
    for place in count():
        if not schedules:
            break
        tick(schedules[-1][0].name)
        spec.forget()
        for trial, steps in schedules[:]:
            asked = next(steps, None)
            if asked is None or (quick and trial.kills and not isinstance(trial, Base)):
                schedules.remove((trial, steps))
            elif asked[1]:
                note.write(trial.name)
                trial.step_at(place, *asked)
    for trial in trials:
        note.write(trial.name)
        trial.close()
    note.remove()


TURNS = 8
"""Functions that declare something are asked on every so many cases: their oracle is theirs alone."""


def _in_turn(trial: Trial) -> Iterator[tuple[Case, Sequence[Property]]]:
    """The cases and properties for a function; no property where a function that takes turns is not at its turn."""
    for number, (case, properties) in enumerate(trial.checking.scheduled()):
        yield case, properties if trial.turn is None or (number + trial.turn) % TURNS == 0 else []


def _by_itself(entry: Entry, plan: Plan, tick: Tick) -> list[Examined]:
    """A function in a worker process of its own, until a property rejects it."""
    tick(entry.name)
    with Worker(entry.target, LIMITS) as worker:
        specs = {spec: spec_of(spec) for spec in SPECS}
        try:
            trial = Trial(entry.name, Described(worker), plan, specs)
        except CallFailed as failure:
            raise UsageError(f"{entry.name} cannot be tried by itself: {failure}") from failure
        for place, asked in enumerate(trial.checking.scheduled()):
            trial.step_at(place, *asked)
            if trial.kills:
                break
        if not trial.kills:
            trial.close()
        return [examined(trial)]


class Described:
    """A worker process with the declarations of its function."""

    def __init__(self, worker: Worker) -> None:
        self.description = worker.description()
        self.call, self.guards = worker.call, worker.guards


def examined(trial: Trial) -> Examined:
    """The result of a trial."""
    seen: dict[str, tuple[int, int]] = {}
    for (_, name), tally in trial.checking.tallies.items():
        cases, vacuous = seen.get(name, (0, 0))
        judged, undecided = (bool(tally.cases), not tally.cases) if PROPERTIES[name].over_run else (tally.cases, tally.vacuous)
        seen[name] = cases + judged, vacuous + undecided
    return Examined(trial.name, tuple(trial.kills.values()), trial.cases, round(trial.seconds, 3), seen, trial.rejections)

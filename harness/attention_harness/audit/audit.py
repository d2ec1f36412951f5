"""Every fault against every property, on the cases of a standard run: case by case, all functions side by side.

So the oracle is asked once for all of them. What would take this process with it has a worker process of its own, as in a check.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from attention_harness.audit.conforming import declaring
from attention_harness.audit.controls import BASES, CONTROLS
from attention_harness.audit.faults import load_all
from attention_harness.audit.oracle_cache import CachedOracle
from attention_harness.audit.trials import Base, Kill, MutantRun, Trial
from attention_harness.conformance import check
from attention_harness.conformance.check import Plan
from attention_harness.process.limits import Limits
from attention_harness.process.worker import Worker
from attention_harness.registry.targets import Target
from attention_harness.runs.executors import map_in_pool
from attention_specs.case import Case
from attention_specs.property import PROPERTIES, Property
from attention_specs.spec import spec_of

LIMITS = Limits(10.0, 3072)
"""Seconds of a call and MiB of a worker, for faults that hang or eat memory."""

SPECS = ("attention", "multi-head")


@dataclass(frozen=True)
class Examined:
    """What became of one function. `seen`: property -> the cases that could tell, and the vacuous ones; of a property of
    the whole run, the dtypes."""

    name: str
    kills: tuple[Kill, ...]
    cases: int
    seconds: float
    seen: Mapping[str, tuple[int, int]]

    @property
    def first(self) -> Kill | None:
        """What rejected it first."""
        return self.kills[0] if self.kills else None


def audit(names: Sequence[str], plan: Plan, quick: bool, jobs: int, step: Callable[[str], None]) -> Iterator[Examined]:
    """Tries the named faults and all sound functions, in so many processes and one that mostly waits.

    With `quick` each fault until its first kill.
    """
    alone = [name for name in names if load_all()[name].alone]
    together = [name for name in (*CONTROLS, *declaring(), *names) if name not in alone and name not in BASES]
    shares = [partial(_side_by_side, together[first::jobs], plan, quick, first == 0) for first in range(jobs)]
    processes = jobs + bool(alone)  # one more for those that hang: it mostly waits
    for found in map_in_pool(_called, [*shares, *(partial(_by_itself, name, plan) for name in alone)], processes, step):
        yield from found


def length(plan: Plan, names: Sequence[str], jobs: int) -> int:
    """Steps of an audit, for a bar."""
    cases = sum(map(len, plan.suites.values()))
    return jobs * cases + sum(load_all()[name].alone for name in names)


Tick = Callable[[str], None]


def _called(examine: Callable[[Tick], list[Examined]], tick: Tick) -> list[Examined]:
    check.load_properties()
    functions()
    gc.freeze()  # what is loaded stays: a tenth of the time went into looking through it for garbage
    gc.set_threshold(20_000, 10, 50)
    return examine(tick)


def _side_by_side(names: Sequence[str], plan: Plan, quick: bool, first: bool, tick: Tick) -> list[Examined]:
    """A share of the functions, on all cases in turn; the first share tells of the bases too."""
    specs = {name: CachedOracle(spec_of(name)) for name in SPECS}
    bases = [Base(name, CONTROLS[name], plan, specs) for name in BASES]
    trials = [MutantRun(name, functions()[name], plan, specs, bases) for name in names]
    for name, spec in specs.items():
        chosen = [trial for trial in (*bases, *trials) if trial.worker.description.spec == name]
        _all_cases(chosen, spec, quick, tick)
    return [examined(trial) for trial in (*(bases if first else ()), *trials)]


def _all_cases(trials: Sequence[Trial], spec: CachedOracle, quick: bool, tick: Tick) -> None:
    """Every case for all of these that are still of interest. The bases come first: the others are compared with them."""
    agendas = [(trial, _in_turn(trial)) for trial in trials]
    while agendas:
        tick(agendas[-1][0].name)
        spec.forget()
        for trial, steps in agendas[:]:
            asked = next(steps, None)
            if asked is None or (quick and trial.kills and not isinstance(trial, Base)):
                agendas.remove((trial, steps))
            elif asked[1]:
                trial.step(*asked)
    for trial in trials:
        trial.close()


TURNS = 8
"""Functions that declare something are asked on every so many cases: their oracle is theirs alone."""


def _in_turn(trial: Trial) -> Iterator[tuple[Case, list[Property]]]:
    """The cases and claims for a function; no claim where a function that declares something is not at its turn."""
    place = list(declaring()).index(trial.name) if trial.name in declaring() else None
    for number, (case, properties) in enumerate(trial.checking.scheduled()):
        yield case, properties if place is None or (number + place) % TURNS == 0 else []


def _by_itself(name: str, plan: Plan, tick: Tick) -> list[Examined]:
    """A fault in a worker process of its own, until it is found."""
    tick(name)
    with Worker(Target(name, load_all()[name].location), LIMITS) as worker:
        specs = {spec: spec_of(spec) for spec in SPECS}
        trial = Trial(name, Described(worker), plan, specs)
        steps = trial.checking.scheduled()
        while not trial.kills and (asked := next(steps, None)):
            trial.step(*asked)
        return [examined(trial)]


class Described:
    """A worker process with what the function in it declares."""

    def __init__(self, worker: Worker) -> None:
        self.description = worker.description()
        self.call = worker.call


@cache
def functions() -> dict[str, Callable[..., Any]]:
    """Name -> what can be tried: sound functions and faults."""
    return CONTROLS | declaring() | {name: fault.function for name, fault in load_all().items()}


def examined(trial: Trial) -> Examined:
    """The result of a trial."""
    seen: dict[str, tuple[int, int]] = {}
    for (_, name), tally in trial.checking.tallies.items():
        cases, vacuous = seen.get(name, (0, 0))
        told, untold = (bool(tally.cases), not tally.cases) if PROPERTIES[name].over_run else (tally.cases, tally.vacuous)
        seen[name] = cases + told, vacuous + untold
    return Examined(trial.name, tuple(trial.kills.values()), trial.cases, round(trial.seconds, 3), seen)

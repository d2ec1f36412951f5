"""One workload in one process: gate, warm-up, rounds, memory. Repeated without a candidate that is lost on the way."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

import numpy as np

from harness.timing.found import TWIN, Found, Lap
from harness.timing.messages import First, Memory, Open, Ran, Round, Tried, Warm, Warmed
from harness.timing.process import Lost
from harness.timing.schedule import FEWEST_ROUNDS, order, size
from harness.timing.session import Session
from harness.timing.settings import Settings
from harness.timing.truth import Truths

WARM_SHARE = 0.05
"""Part of a workload's seconds that the warm-up of one candidate may take."""

OVERTIME = 1.5
"""Rounds end when they took so many times longer than planned: the machine has become busier."""


@dataclass
class Visit:
    """What one visit works with."""

    session: Session
    truths: Truths
    found: Found
    settings: Settings
    replica: int

    def run(self) -> None:
        """Adds the laps of this process to what was found. Each repetition loses a candidate, so it ends."""
        while True:
            self.session.ready()
            try:
                return self._attempt()
            except Lost as lost:
                self._lose(lost)

    def _lose(self, lost: Lost) -> None:
        name = self._baseline() if lost.name == TWIN else lost.name
        for one in [name] if name in self._names() else self._names():
            self.found.lose(one, lost.outcome, lost.reason)

    def _names(self) -> list[str]:
        return [name for name in self.session.descriptions if name not in self.found.lost]

    def _baseline(self) -> str:
        """The one asked for, else the first that passed."""
        names = self._names()
        return self.settings.baseline if self.settings.baseline in names else next(iter(names), "")

    def _attempt(self) -> None:
        self.session.ask(Open(tuple(case.to_json() for case in self.truths.cases)))
        self.truths.prepare()
        self.found.pairs = self.truths.pairs
        tried = {name: result for name in self._names() if (result := self._gate(name))}
        if not tried:
            return
        self.session.load_again(self._baseline(), TWIN)
        tried[TWIN] = self.session.ask(First(TWIN))
        steady: dict[str, Warmed] = {name: self.session.ask(Warm(name, WARM_SHARE * self.settings.seconds)) for name in tried}
        laps = self._laps({name: warmed.seconds for name, warmed in steady.items()})
        memory = {} if self.replica else {name: self.session.ask(Memory(name)) for name in self._names()}
        self.found.laps += laps
        self.found.memory |= memory
        for name, warmed in steady.items():
            self.found.cold(name, tried[name], warmed)

    def _gate(self, name: str) -> Tried | None:
        """The first calls, if their outputs are right; a process that dies of them raises Lost."""
        try:
            tried: Tried = self.session.ask(First(name))
        except Lost as lost:
            if lost.died:
                raise
            self.found.lose(name, lost.outcome, lost.reason)
            return None
        for copy, out in enumerate(tried.outputs):
            if fault := self.truths.fault(self.session.descriptions[name], copy, out):
                self.found.lose(name, "wrong", fault)
                return None
        return tried

    def _laps(self, steady: dict[str, float]) -> list[Lap]:
        plan, laps = size(steady, self.settings.seconds), list[Lap]()
        rng = np.random.default_rng([self.settings.seed, self.replica, len(self.found.workload.name)])
        deadline = monotonic() + OVERTIME * self.settings.seconds
        for number in range(plan.rounds):
            if number >= FEWEST_ROUNDS and monotonic() > deadline:
                break
            ran: Ran = self.session.ask(Round(order(plan, self.settings.copies, rng), number))
            self._examine(ran)
            laps.append(Lap(self.replica, self._baseline(), Ran(ran.seconds, [], ran.wrote, ran.others, ran.cores)))
        return laps

    def _examine(self, ran: Ran) -> None:
        """Raises Lost for an output of a timed call that is wrong, or an input that was written to."""
        for name in ran.wrote:
            raise Lost(name, "wrote to its inputs", died=False, outcome="wrong")
        for name, copy, out in ran.outputs:
            description = self.session.descriptions[self._baseline() if name == TWIN else name]
            if fault := self.truths.fault(description, copy, out):
                raise Lost(name, f"in a timed call: {fault}", died=False, outcome="wrong")

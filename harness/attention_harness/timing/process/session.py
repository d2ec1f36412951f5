"""One replica: a fresh process with all candidates loaded, started again without the candidate that ended it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attention_harness.errors import CallFailed, Outcome
from attention_harness.process.described import accepted
from attention_harness.registry.targets import Target
from attention_harness.timing.measure.messages import Load, Message, Reply
from attention_harness.timing.process.child import CandidateFailed, Process, Start
from attention_specs.contract import Description

NAMELESS = 3
"""Processes that may end before they name a candidate; a busy machine ends one, a broken one ends all."""

INSTEAD = {"multi-head": ". Time the function between the projections of the layer"}
"""Spec -> what can be timed in place of it."""


class Session:
    """Asks the process. `absent` collects, over all replicas, the candidates that cannot be timed at all, and why."""

    def __init__(self, start: Start, targets: Sequence[Target], absent: dict[str, CandidateFailed]) -> None:
        self.start, self.targets, self.absent = start, {target.name: target for target in targets}, absent
        self.descriptions: dict[str, Description] = {}
        self.process: Process | None = None
        self.nameless = 0

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the process."""
        if self.process is not None:
            self.process.stop()
        self.process = None

    def processor(self) -> float | None:
        """Processor seconds of the process so far; None where that cannot be seen."""
        return self.process.processor() if self.process else None

    def ready(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Loads all candidates in a process, unless there is one; importing takes seconds, in which `meanwhile` is called."""
        while self.process is None and (names := [name for name in self.targets if name not in self.absent]):
            try:
                self._load_all(names, meanwhile)
            except CandidateFailed as failure:
                self._lose(names, failure)
                self.stop()

    def _load_all(self, names: Sequence[str], meanwhile: Callable[[], None]) -> None:
        self.process = process = self.start()
        self.descriptions = {}
        for name in names:
            process.send(self._load(name, name))
        meanwhile()
        self._described(process, names)

    def _lose(self, names: Sequence[str], failure: CandidateFailed) -> None:
        """Drops the candidate that ended the process; all, and blames none, where processes keep ending by themselves."""
        self.descriptions = {}
        if failure.name in names:
            self.absent[failure.name] = failure
            return
        self.nameless += 1
        if self.nameless >= NAMELESS:
            reason = f"{self.nameless} processes ended before anything was loaded: {failure.reason}"
            self.absent.update(dict.fromkeys(names, CandidateFailed("", reason, outcome=Outcome.UNAVAILABLE)))

    def _described(self, process: Process, names: Sequence[str]) -> None:
        for name in names:
            try:
                description = accepted(process.receive(), name)
            except CallFailed as forged:
                self.absent[name] = CandidateFailed(name, str(forged), died=False)
                continue
            except CandidateFailed as failure:
                if failure.died:
                    raise
                self.absent[name] = failure
                continue
            if description.spec == "attention":
                self.descriptions[name] = description
            else:
                reason = f"spec={description.spec}, but should be attention: workloads are queries, keys and values"
                self.absent[name] = CandidateFailed(name, reason + INSTEAD.get(description.spec, ""), outcome=Outcome.UNAVAILABLE)

    def _load(self, name: str, target: str) -> Load:
        return Load(name, target, self.targets[target].location, self.targets[target].declared)

    def load_again(self, target: str, name: str) -> None:
        """Loads a target once more, under another name. Raises CandidateFailed."""
        self.ask(self._load(name, target))

    def ask(self, message: Message[Reply]) -> Reply:
        """The answer. Raises CandidateFailed; a process that died is forgotten."""
        assert self.process is not None, "ready() comes first"
        try:
            return self.process.ask(message)
        except CandidateFailed as failure:
            if failure.died:
                self.process = None
            raise

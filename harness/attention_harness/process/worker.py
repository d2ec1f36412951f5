"""A worker process seen from outside: a call answers, or raises the outcome.

A crash, an exit, a hang that ignores signals and a memory blow-up are all exceptions here, so that a check needs to know nothing
about processes. The next call after a death starts the worker again.

A pool library distinguishes a dead worker from a slow one only by its own time limit (`os._exit(0)` looks like a time-out); here
one process, one pipe and one wait on both are enough.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from attention_harness.errors import CallFailed, Outcome, printable
from attention_harness.process import compilation_cache
from attention_harness.process.arena import Arena
from attention_harness.process.described import accepted
from attention_harness.process.limits import ONE_THREAD, POISONED_ALLOCATOR, Limits
from attention_harness.process.messages import Answer, Failure, Request
from attention_harness.process.supervised import ForeignProcess, ProcessEnded
from attention_harness.registry.targets import Target
from attention_specs.contract import Description

Kind = TypeVar("Kind")
Kinds = tuple[Target, Limits, frozenset[tuple[str, str]]]

SERVER = "attention_harness.process.server"
"""The module that the process runs."""

POLL_SECONDS = 0.05
START_SECONDS = 180.0
"""A first import of torch or JAX on a busy machine takes tens of seconds."""


class Killed(CallFailed):
    """A process that was killed from outside, as it seems."""


class Worker:
    """One implementation in a process of its own. Use as a context manager."""

    guards = True
    """Whether a call may end the process, as one does that touches guarded memory."""

    def __init__(self, target: Target, limits: Limits = Limits(), variables: dict[str, str] | None = None) -> None:
        self.target, self.limits = target, limits
        ours = ONE_THREAD | POISONED_ALLOCATOR | compilation_cache.variables()
        self.variables = ours if variables is None else variables
        self.foreign: ForeignProcess | None = None
        self.arena: Arena = Arena(0)
        self.starts = 0

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The process, while there is one."""
        return self.foreign.process if self.foreign else None

    def description(self) -> Description:
        """Starts the process if need be and returns the declaration of the implementation. Raises CallFailed."""
        self.stop()
        if not self.starts and (loaded := _loaded.pop(self._kind, None)):
            self.starts, self.foreign, self.arena = 1, *loaded[:2]
            return loaded[2]
        try:
            described = self._begin()
        except Killed:  # as in `call`
            described = self._begin()
        if isinstance(described, Failure):
            self.stop()
            raise CallFailed(described.kind, printable(described.message))
        try:
            return accepted(described, self.target.name)
        except CallFailed:
            self.stop()
            raise

    def _begin(self) -> Description | Failure:
        self.foreign = self._started()
        self.starts += 1
        return self._ask(None, Description, START_SECONDS)

    def _started(self) -> ForeignProcess:
        self.arena, target = Arena(), self.target
        shared = "".join(map(str, self.arena.descriptors))
        arguments = [target.name, target.location, target.declared, shared]
        variables = os.environ | self.variables
        return ForeignProcess(SERVER, arguments, variables, self.limits.memory, POLL_SECONDS, self.arena.descriptors)

    @property
    def _kind(self) -> Kinds:
        """Workers of one kind can stand for each other before their first call."""
        return self.target, self.limits, frozenset(self.variables.items())

    def call(self, request: Request) -> Answer:
        """The answer to one request. Raises CallFailed; the process is started again when it died of the last one."""
        try:
            answer = self._answer(request)
        except Killed:  # by the system, an operator or itself: a second time it is its own fault
            answer = self._answer(request)
        if isinstance(answer, Failure):
            if answer.kind == Outcome.CRASHED:  # the process lives, but its device does not
                self.stop()
            raise CallFailed(answer.kind, answer.message, answer.trace)
        asked = {*(request.wrt if request.dout else request.wanted), *request.after}
        if set(answer.extra) != asked and not request.operator:  # what a module's call is made of has its own names
            self.stop()
            raise CallFailed(Outcome.CRASHED, f"results={', '.join(answer.extra)}, but should be those that were asked for")
        written = self.arena.changed()
        return replace(answer, changed=tuple({*answer.changed, *written})) if written else answer

    def _answer(self, request: Request) -> Answer | Failure:
        if self.foreign is None:
            self._start_again()
        return self._ask(self.arena.place(request), Answer, self.limits.seconds)

    def _start_again(self) -> None:
        """Starts the process anew. An implementation that could be loaded once and cannot now is not missing, but broken by its calls."""
        again = self.starts > 0
        try:
            self.description()
        except CallFailed as failure:
            if again and failure.outcome in (Outcome.UNLOADABLE, Outcome.UNAVAILABLE):
                raise CallFailed(Outcome.CRASHED, f"it cannot be loaded again: {failure}") from failure
            raise

    def _ask(self, message: Request | None, hint: type[Kind], seconds: float) -> Kind | Failure:
        """The answer of the worker. Raises CallFailed: it is dead, too slow, too large, or gives no answer."""
        assert self.foreign
        try:
            return self.foreign.receive(self.foreign.send(message, seconds), hint, seconds)
        except ProcessEnded as ended:
            self.stop()
            raise (Killed if ended.killed else CallFailed)(ended.outcome, ended.reason) from None

    def stop(self) -> None:
        """Kills the process and everything that it started; nothing if there is none."""
        if self.foreign is not None:
            self.foreign.stop()
            self.arena.close()
        self.foreign = None


def descriptions(targets: Sequence[Target]) -> Iterator[Description | CallFailed]:
    """The declaration of each, or the reason why there is none. One process loads them all, and another goes on where it ends."""
    process: ForeignProcess | None = None
    try:
        for target in targets:
            process = process or ForeignProcess(SERVER, [], os.environ | ONE_THREAD, Limits.memory, POLL_SECONDS)
            try:
                request = process.send((target.name, target.location, target.declared), START_SECONDS)
                described = process.receive(request, Description, START_SECONDS)
                yield _described(described, target.name)
            except ProcessEnded as ended:
                process = None
                yield CallFailed(ended.outcome, ended.reason)
    finally:
        if process is not None:
            process.stop()


def _described(answer: Description | Failure, name: str) -> Description | CallFailed:
    if isinstance(answer, Failure):
        return CallFailed(answer.kind, printable(answer.message))
    try:
        return accepted(answer, name)
    except CallFailed as failure:
        return failure


_loaded: dict[Kinds, tuple[ForeignProcess, Arena, Description]] = {}
"""Processes that have loaded their implementation, and have not been asked anything yet."""


def load_ahead(target: Target, limits: Limits) -> Description:
    """Starts the process that the next `Worker` of this kind takes over, since a framework takes a second to import.

    Returns the declaration. Raises CallFailed.
    """
    worker = Worker(target, limits)
    described = worker.description()
    assert worker.foreign
    _loaded[worker._kind] = worker.foreign, worker.arena, described
    return described


def stop_loaded() -> None:
    """Stops the processes that no `Worker` took over."""
    while _loaded:
        foreign, arena, _ = _loaded.popitem()[1]
        foreign.stop()
        arena.close()

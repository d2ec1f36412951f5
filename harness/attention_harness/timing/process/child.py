"""The process of the candidates seen from outside: `ask` answers, or raises CandidateFailed with the name of the one that ran."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Protocol, get_type_hints

from attention_harness.errors import Outcome, printable
from attention_harness.process import compilation_cache
from attention_harness.process.limits import ONE_THREAD, POISONED_ALLOCATOR
from attention_harness.process.messages import Failure
from attention_harness.process.supervised import ForeignProcess, ProcessEnded
from attention_harness.timing.measure.messages import Message, Reply
from attention_harness.timing.process.blackbox import BlackBox
from attention_harness.timing.process.server import Server

POLL_SECONDS = 0.25
"""How often a silent process is looked at; its answers wake the wait at once."""


class CandidateFailed(Exception):
    """The candidate `name` ended the process, hung, or failed; `died`: the process is gone."""

    def __init__(self, name: str, reason: str, died: bool = True, outcome: str = Outcome.CRASHED) -> None:
        super().__init__(reason)
        self.name, self.reason, self.died, self.outcome = name, reason, died, outcome


def environment() -> dict[str, str]:
    """One thread per library, read when they are imported; the allocator as it comes, since a poisoned one is slow; and nothing that
    is compiled already, since first calls are timed."""
    kept = {name: value for name, value in os.environ.items() if name not in POISONED_ALLOCATOR}
    return kept | ONE_THREAD | compilation_cache.NONE


class Child:
    """One fresh process. Use as a context manager."""

    def __init__(self, timeout: float, memory: int) -> None:
        self.timeout = timeout
        self.noted = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the process
        self.box = BlackBox(descriptor := self.noted.fileno())
        arguments = "attention_harness.timing.process.server", [str(descriptor)], environment(), memory, POLL_SECONDS
        self.foreign = ForeignProcess(*arguments, descriptors=[descriptor], stage=self.box.read)
        self.asked: deque[tuple[bytes, type[object]]] = deque()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def ask(self, message: Message[Reply]) -> Reply:
        """The answer to a message. Raises CandidateFailed."""
        self.send(message)
        return self.receive()

    def send(self, message: Message[object]) -> None:
        """Asks without waiting for the answer. Raises CandidateFailed."""
        with self._losing():
            self.asked.append((self.foreign.send(message, self.timeout), answer_type(type(message).__name__.lower())))

    def receive(self) -> Any:
        """The next answer, of the type that its message has. Raises CandidateFailed.

        The time limit begins anew with each call that the black box notes.
        """
        with self._losing():
            answer = self.foreign.receive(*self.asked.popleft(), self.timeout)
            if isinstance(answer, Failure) and answer.kind == Outcome.CRASHED:  # the process lives, but its device does not
                raise self.foreign.ended(answer.kind, answer.message)
        if isinstance(answer, Failure):
            raise CandidateFailed(self.box.read()[1], printable(answer.message), died=False, outcome=answer.kind)
        return answer

    @contextlib.contextmanager
    def _losing(self) -> Iterator[None]:
        """The end of the process is that of the candidate that ran."""
        try:
            yield
        except ProcessEnded as ended:
            name = self.box.read()[1]
            self.stop()
            raise CandidateFailed(name, ended.reason, outcome=ended.outcome) from None

    def processor(self) -> float | None:
        """Processor seconds of the process and of all that it started, so far; None where the system does not say."""
        return self.foreign.processor_seconds()

    def stop(self) -> None:
        """Kills the process and everything that it started, once."""
        self.foreign.stop()
        if not self.noted.closed:
            self.noted.close()
            self.box.close()


@cache
def answer_type(name: str) -> type[object]:
    """The type of the answers to messages of this name: the annotation of the method that gives them."""
    return get_type_hints(getattr(Server, name))["return"]


class Process(Protocol):
    """A Child, or a stand-in for one."""

    def ask(self, message: Message[Reply]) -> Reply:
        """The answer to a message. Raises CandidateFailed."""

    def send(self, message: Message[object]) -> None:
        """Asks without waiting for the answer. Raises CandidateFailed."""

    def receive(self) -> Any:
        """The next answer, of the type that its message has. Raises CandidateFailed."""

    def processor(self) -> float | None:
        """Processor seconds of the process and of all that it started, so far; None where the system does not say."""

    def stop(self) -> None:
        """Ends the process."""


Start = Callable[[], Process]

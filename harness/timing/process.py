"""The process of the candidates seen from outside: `ask` answers, or raises Lost with the name of the one that ran."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Pipe, wait
from time import monotonic
from typing import Any

import psutil

from harness.isolation import MIB, ONE_THREAD, POISONED_ALLOCATOR, ending, search_path
from harness.messages import Failure
from harness.timing.blackbox import BlackBox

POLL_SECONDS = 0.25
"""How often a silent process is looked at; its answers wake the wait at once."""


class Lost(Exception):
    """The candidate `name` ended the process, hung, or failed; `died` tells whether the process is gone."""

    def __init__(self, name: str, reason: str, died: bool = True, outcome: str = "crashed") -> None:
        super().__init__(reason)
        self.name, self.reason, self.died, self.outcome = name, reason, died, outcome


def environment() -> dict[str, str]:
    """One thread per library, read when they are imported; the allocator as it comes, since a poisoned one is slow."""
    kept = {name: value for name, value in os.environ.items() if name not in POISONED_ALLOCATOR}
    return kept | ONE_THREAD | {"PYTHONPATH": search_path()}


class Child:
    """One fresh process. Use as a context manager."""

    def __init__(self, timeout: float, memory: int) -> None:
        self.timeout, self.limit = timeout, memory
        self.errors, self.noted = (tempfile.TemporaryFile() for _ in range(2))  # noqa: SIM115  # they live as long as the process
        self.box = BlackBox(self.noted.fileno())
        self.connection, theirs = Pipe()
        descriptors = [theirs.fileno(), self.noted.fileno()]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "harness.timing.child", *map(str, descriptors)],
            pass_fds=descriptors,
            stdin=subprocess.DEVNULL,
            stdout=self.errors,
            stderr=self.errors,
            env=environment(),
            start_new_session=True,
        )
        theirs.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def ask(self, message: Any) -> Any:
        """The answer to a message. Raises Lost."""
        self.send(message)
        return self.receive()

    def send(self, message: Any) -> None:
        """Asks without waiting for the answer."""
        with contextlib.suppress(BrokenPipeError):  # a death shows when the answer is awaited
            self.connection.send(message)

    def receive(self) -> Any:
        """The next answer. Raises Lost; the time limit begins anew with each call that the black box notes."""
        noted, deadline = self.box.read(), monotonic() + self.timeout
        while not wait([self.connection], POLL_SECONDS):
            if self.box.read() != noted:
                noted, deadline = self.box.read(), monotonic() + self.timeout
            self._examine(deadline)
        try:
            answer = self.connection.recv()
        except (EOFError, ConnectionResetError):
            raise self._dead() from None
        if isinstance(answer, Failure):
            if answer.kind == "crashed":  # the process lives, but its device does not
                raise self._ended(answer.message, "crashed")
            raise Lost(self.box.read()[1], answer.message, died=False, outcome=answer.kind)
        return answer

    def _examine(self, deadline: float) -> None:
        """Raises Lost for a process that is dead, too slow or too large."""
        if self.process.poll() is not None and not self.connection.poll():
            raise self._dead()
        if monotonic() > deadline:
            raise self._ended(f"no answer after {self.timeout:g} s", "timed-out")
        if (used := self._resident()) > self.limit:
            raise self._ended(f"memory={used} MiB, but should stay below {self.limit} MiB", "out-of-memory")

    def _resident(self) -> int:
        try:
            return int(psutil.Process(self.process.pid).memory_info().rss // MIB)
        except psutil.Error:
            return 0

    def _dead(self) -> Lost:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1)
        return self._ended(f"the process {ending(self.process.poll())}{self._last_words()}", "crashed")

    def _ended(self, reason: str, outcome: str) -> Lost:
        name = self.box.read()[1]
        self.stop()
        return Lost(name, reason, outcome=outcome)

    def _last_words(self) -> str:
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return f"; its last words: {lines[-1][:400]}" if lines else ""

    def stop(self) -> None:
        """Kills the process and everything that it started, once."""
        if self.connection.closed:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for one in (self.connection, self.errors, self.noted, self.box):
            one.close()


Start = Callable[[], Any]
"""Makes something with `ask` and `stop`: a Child, or a stand-in for one."""

"""A worker process seen from outside: a call that answers, or raises what became of it.

A crash, an exit, a hang that ignores signals and a memory blow-up are all exceptions here, so that nothing that drives
a check needs to know about processes. The next call after a death starts the worker again.

Why not a pool library: a pool tells a dead worker from a slow one only by its own time limit (`os._exit(0)` looks like
a time-out), and what is needed is one process, one pipe, one wait on both.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from time import monotonic
from typing import Any

import psutil

from harness.messages import Answer, Failure, Request
from harness.targets import Target
from specs.contract import Description

MIB = 2**20
POLL_SECONDS = 0.05
START_SECONDS = 180.0
"""A first import of torch or JAX on a busy machine takes tens of seconds."""

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC"), "1")
"""Read by the libraries when they are imported; NPROC is XLA's on the CPU."""

POISONED_ALLOCATOR = {"MALLOC_PERTURB_": "128"}
"""glibc fills fresh memory with 0x7F (mallopt(3)): what is read before it is written is huge or NaN, not a lucky zero."""


REFUSALS = ("unsupported", "errored")
"""Outcomes of a call that the implementation did not take, and said so."""


class Trouble(Exception):
    """A call that gave no answer; `outcome` is one of the outcomes of a check."""

    def __init__(self, outcome: str, message: str, trace: str = "") -> None:
        super().__init__(outcome, message, trace)
        self.outcome, self.message, self.trace = outcome, message, trace

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class Limits:
    """Seconds a call may take and MiB of resident memory a worker may use."""

    seconds: float = 30.0
    memory: int = 6144


class Worker:
    """One implementation in a process of its own. Use as a context manager."""

    def __init__(self, target: Target, limits: Limits = Limits(), variables: dict[str, str] | None = None) -> None:
        self.target, self.limits = target, limits
        self.variables = ONE_THREAD | POISONED_ALLOCATOR if variables is None else variables
        self.process: subprocess.Popen[bytes] | None = None
        self.connection: Connection[Any, Any] | None = None
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the worker
        self.starts = 0

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        self.errors.close()

    def description(self) -> Description:
        """Starts the process if need be and returns what the implementation declares. Raises Trouble."""
        self.stop()
        self.connection, theirs = Pipe()
        command = [sys.executable, "-m", "harness.worker", str(theirs.fileno()), self.target.name, self.target.location]
        self.process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self.errors,
            stderr=self.errors,
            env=os.environ | self.variables | {"PYTHONPATH": search_path()},
            start_new_session=True,
        )
        theirs.close()
        self.starts += 1
        described = self._receive(START_SECONDS)
        if not isinstance(described, Description):
            self.stop()
            raise Trouble(described.kind, described.message)
        return described

    def call(self, request: Request) -> Answer:
        """The answer to one request. Raises Trouble; the process is started again when it died of the last one."""
        if self.process is None:
            self.description()
        assert self.connection
        with contextlib.suppress(BrokenPipeError):  # a death between two calls shows when the answer is awaited
            self.connection.send(request)
        answer = self._receive(self.limits.seconds)
        if isinstance(answer, Failure):
            if answer.kind == "crashed":  # the process lives, but its device does not
                self.stop()
            raise Trouble(answer.kind, answer.message, answer.trace)
        assert isinstance(answer, Answer)
        return answer

    def _receive(self, seconds: float) -> Any:
        """What the worker sends next, or Trouble: dead, too slow, or too large."""
        assert self.connection and self.process
        deadline = monotonic() + seconds
        while not wait([self.connection], POLL_SECONDS):
            if self.process.poll() is not None and not self.connection.poll():
                raise self._died()
            if monotonic() > deadline:
                self.stop()
                raise Trouble("timed-out", f"no answer after {seconds:g} s")
            if (used := self._memory()) > self.limits.memory:
                self.stop()
                raise Trouble("out-of-memory", f"memory={used} MiB, but should stay below {self.limits.memory} MiB")
        try:
            return self.connection.recv()
        except (EOFError, ConnectionResetError):
            raise self._died() from None

    def _died(self) -> Trouble:
        assert self.process
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1)
        status = self.process.poll()
        self.stop()
        return Trouble("crashed", f"the process {ending(status)}{self._last_words()}")

    def _last_words(self) -> str:
        size = os.fstat(self.errors.fileno()).st_size
        text = os.pread(self.errors.fileno(), 400, max(0, size - 400)).decode(errors="replace").strip()
        return f"; its last words: {text.splitlines()[-1]}" if text else ""

    def _memory(self) -> int:
        assert self.process
        try:
            return int(psutil.Process(self.process.pid).memory_info().rss // MIB)
        except psutil.Error:
            return 0

    def stop(self) -> None:
        """Kills the process and everything that it started; nothing if there is none."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        if self.connection is not None:
            self.connection.close()
        self.process = self.connection = None


def ending(status: int | None) -> str:
    """How a process came to its end, in words."""
    if status is None:
        return "closed its pipe"
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"exited with status {status}"


def search_path() -> str:
    """The places where this process finds modules, so that the worker finds the same ones."""
    return os.pathsep.join(entry or os.getcwd() for entry in sys.path)

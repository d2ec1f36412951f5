"""A process that runs foreign code, seen from outside: it answers, or `ProcessEnded` has its outcome."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from math import inf
from time import clock_gettime, monotonic, sleep
from typing import TypeVar

import psutil

from attention_harness.errors import Outcome
from attention_harness.process import sandbox
from attention_harness.process.framing import Channel, GarbledAnswer
from attention_harness.process.group import Group
from attention_harness.process.messages import Failure

Kind = TypeVar("Kind")

MIB = 2**20
MARK = "ATTENTION_HARNESS_PROCESS"
"""A variable in the environment of a process and its descendants, which finds them wherever they moved to."""

CHILDREN_SECONDS = 1.0
"""Time between two sums over the memory of the children, which take milliseconds."""

MOST_OUTPUT = 2**20
"""Bytes of what a process prints."""

ROUNDS, ROUND_SECONDS = 50, 0.01
"""Rounds of killing, and the pause between them: a process that is being killed may start another."""


class ProcessEnded(Exception):
    """The process gave no answer, and has ended. `killed`: by a SIGKILL that was not ours, perhaps for want of memory."""

    def __init__(self, outcome: Outcome, reason: str, killed: bool = False) -> None:
        super().__init__(reason)
        self.outcome, self.reason, self.killed = outcome, reason, killed


class ForeignProcess:
    """`python -P -m MODULE SOCKET ARGUMENTS` in a session of its own. `stage` is its progress: with each change the time limit
    begins anew. It is looked at every `look_seconds`, and may use `memory` MiB together with its descendants."""

    def __init__(
        self, module: str, arguments: Sequence[str], environment: Mapping[str, str], memory: int,
        look_seconds: float, descriptors: Sequence[int] = (), stage: Callable[[], object] = lambda: None,
    ) -> None:  # fmt: skip
        self.limit, self.look_seconds, self.stage = memory, look_seconds, stage
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the process
        self.mark = os.urandom(8).hex()
        self.seconds = self.deadline = self.next_look = self.next_children = 0.0
        self.children, self.seen = 0, stage()
        fcntl.fcntl(self.errors, fcntl.F_SETFL, fcntl.fcntl(self.errors, fcntl.F_GETFL) | os.O_APPEND)  # so that it can be cut
        self.scratch, self.group, self.known = contextlib.ExitStack(), Group(self.mark), set[psutil.Process]()
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, str(theirs.fileno()), *arguments],
            pass_fds=[theirs.fileno(), *descriptors],
            stdin=subprocess.DEVNULL,
            stdout=self.errors,
            stderr=self.errors,
            env={**environment, **self.scratch.enter_context(sandbox.scratch()), "PYTHONPATH": search_path(), MARK: self.mark},
            start_new_session=True,
        )
        self.group.add(self.process.pid)
        self.began = _began(psutil.Process(self.process.pid))
        theirs.close()
        self.channel = Channel(ours, look_seconds, self._look)

    def send(self, message: object, seconds: float) -> bytes:
        """Asks without waiting for the answer; returns the number of the request. Raises ProcessEnded."""
        self._begin(seconds)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # a death shows when the answer is awaited
            return self.channel.ask(message)
        return b"\0" * 16

    def receive(self, request: bytes, hint: type[Kind], seconds: float) -> Kind | Failure:
        """The answer to a request, of the type `hint`, or a Failure. Raises ProcessEnded."""
        self._begin(seconds)
        try:
            return self.channel.answer(request, hint, self.limit * MIB)
        except GarbledAnswer as error:
            raise self.ended(Outcome.CRASHED, str(error)) from None
        except EOFError:
            raise self._died() from None

    def _begin(self, seconds: float) -> None:
        now = monotonic()
        self.seconds, self.deadline, self.next_look = seconds, now + seconds, now + self.look_seconds
        self.next_children = max(self.next_children, now)
        self.seen = self.stage()

    def _look(self, idle: bool) -> None:
        """Raises ProcessEnded for a process that is dead, too slow or too large."""
        if idle and self.process.poll() is not None and not self.channel.waiting():
            raise self._died()
        if (now := monotonic()) < self.next_look:
            return
        self.next_look = now + self.look_seconds
        self._cut_output()
        if (stage := self.stage()) != self.seen:
            self.seen, self.deadline = stage, now + self.seconds
        if now > self.deadline:
            raise self.ended(Outcome.TIMED_OUT, f"no answer after {self.seconds:g} s")
        if (used := self._memory(now)) > self.limit:
            raise self.ended(Outcome.OUT_OF_MEMORY, f"memory={used} MiB, but should stay below {self.limit} MiB")

    def _cut_output(self) -> None:
        """Forgets what the process has printed, where that is too much."""
        if os.fstat(self.errors.fileno()).st_size > MOST_OUTPUT:
            os.ftruncate(self.errors.fileno(), 0)
            os.write(self.errors.fileno(), b"(output cut)\n")

    def _others(self) -> set[psutil.Process]:
        """What the process started, and what was seen of it before."""
        own = self.process.pid
        self.known |= {one for one in (*descendants(own), *self.group.processes()) if one.pid != own}
        self.known = {one for one in self.known if alive(one)}
        return self.known

    def _memory(self, now: float) -> int:
        """MiB of the process, and of its children without shared memory."""
        if now >= self.next_children:
            self.next_children = now + CHILDREN_SECONDS
            self.children = sum(_bytes(child, own=True) for child in self._others())
        with contextlib.suppress(psutil.Error):
            return (_bytes(psutil.Process(self.process.pid)) + self.children) // MIB
        return 0

    def processor_seconds(self) -> float | None:
        """Processor seconds of the process and of all that it started, so far; None where the system does not say."""
        try:
            others = [child.cpu_times() for child in self._others() if alive(child)]
            ended = psutil.Process(self.process.pid).cpu_times()
            own = clock_gettime(~self.process.pid << 3 | 2)  # its clock of processor time: CPUCLOCK_SCHED of posix-timers.h
        except (psutil.Error, OSError):
            return None
        return own + float(ended.children_user + ended.children_system) + sum(float(one.user + one.system) for one in others)

    def _died(self) -> ProcessEnded:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1)
        status = self.process.poll()
        died = self.ended(Outcome.CRASHED, f"the process {ending(status)}{self._last_words()}")
        died.killed = status == -signal.SIGKILL
        return died

    def _last_words(self) -> str:
        size = os.fstat(self.errors.fileno()).st_size
        text = os.pread(self.errors.fileno(), 400, max(0, size - 400)).decode(errors="replace").strip()
        return f"; its last words: {text.splitlines()[-1]}" if text else ""

    def ended(self, outcome: Outcome, reason: str) -> ProcessEnded:
        """Stops the process, and says why."""
        self.stop()
        return ProcessEnded(outcome, reason)

    def stop(self) -> None:
        """Kills the process and everything that it started, once."""
        if self.errors.closed:
            return
        left: set[psutil.Process] = set()
        for _ in range(ROUNDS):
            left = {one for one in {*left, *self._others(), *marked(self.mark, self.began)} if alive(one)}
            if not left and self.process.poll() is not None:
                break
            self.process.kill()
            for one in left:
                with contextlib.suppress(psutil.Error):
                    one.kill()
            self.process.wait()
            sleep(ROUND_SECONDS)
        self.channel.close()
        self.errors.close()
        self.scratch.close()
        self.group.close()


def descendants(pid: int) -> list[psutil.Process]:
    """Descendants of a process; orphans too, where the process adopts them."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def marked(mark: str, since: float) -> list[psutil.Process]:
    """Processes with this mark in their environment, of those that began since then."""
    return [one for one in psutil.process_iter() if _began(one) >= since and _mark(one) == mark]


def _began(process: psutil.Process) -> float:
    try:
        return float(process.create_time())
    except psutil.Error:
        return -inf


def _mark(process: psutil.Process) -> str:
    try:
        return str(process.environ().get(MARK, ""))
    except (psutil.Error, OSError):
        return ""


def alive(process: psutil.Process) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _bytes(process: psutil.Process, own: bool = False) -> int:
    try:
        return int(process.memory_full_info().uss if own else process.memory_info().rss)
    except psutil.Error:
        return 0


def ending(status: int | None) -> str:
    """How a process came to its end, in words."""
    if status is None:
        return "closed its pipe"
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"exited with status {status}"


def search_path() -> str:
    """The places where this process finds modules, so that the worker finds the same ones."""
    return os.pathsep.join(entry or os.getcwd() for entry in sys.path)

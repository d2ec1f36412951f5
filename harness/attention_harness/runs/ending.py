"""The early end of a command: by a signal, on a full disk, by a fault of ours."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil

from attention_harness.process import sandbox

OURS = 70
"""Exit status for a fault of ours: EX_SOFTWARE of sysexits(3)."""

TRACEBACK = "ATTENTION_HARNESS_TRACEBACK"
"""Environment variable: print the traceback of a fault of ours."""

FULL = (errno.ENOSPC, errno.EDQUOT)
RESUMED = ("check", "run")

_begun: list[tuple[str, Path]] = []
_private: list[Path] = []


def begun(*run: tuple[str, Path]) -> None:
    """Notes the command and folder of the current run, so that its end can name them; no argument means no run."""
    _begun[:] = run
    _private.clear()


def hide(folder: Path) -> None:
    """The end of the current run says nothing of its cases, and an interruption removes this folder of them."""
    _begun.clear()
    _private.append(folder)


def kept() -> str:
    """The place of the current run, and the command that resumes it; empty if there is none."""
    if not _begun:
        return ""
    command, folder = _begun[0]
    again = f"`attention-harness {command} --resume {folder}` goes on"
    return f"; finished results are kept in {folder}" + (f", {again}" if command in RESUMED else "")


def watch() -> None:
    """From now on SIGINT and SIGTERM end the command at once, and everything that it started."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """Ends without unwinding, since the main thread may wait for minutes. Files stay valid when they are cut off."""
    for again in (signal.SIGINT, signal.SIGTERM):
        signal.signal(again, signal.SIG_IGN)
    for process in (children := psutil.Process().children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            process.kill()
    sandbox.remove_scratch([os.getpid(), *(process.pid for process in children)])
    for folder in _private:
        shutil.rmtree(folder, ignore_errors=True)
    cursor = "\x1b[?25h" if sys.stderr.isatty() else ""  # a progress bar hides the cursor
    os.write(2, f"{cursor}\nattention-harness: interrupted{kept()}\n".encode(errors="replace"))
    os._exit(128 + number)


def forward() -> None:
    """In a process of a pool: an interrupt of this process ends the command, which reports it once.

    SIGTERM ends this process alone: the pool sends it to those that are left, once one was killed.
    """
    signal.signal(signal.SIGINT, lambda number, frame: os.kill(os.getppid(), number))


def fault(error: Exception) -> str:
    """One line about an unexpected exception. Its traceback goes to a file in the run's folder, or is printed on request."""
    if isinstance(error, OSError) and error.errno in FULL:
        return f"disk={error.strerror}, but should have room{kept()}"
    text = "its text is hidden" if _private else " ".join(str(error).split()) or "no text"
    return f"a fault of the harness, not of an implementation: {type(error).__name__}: {text[:300]}; {_trace(error)}{kept()}"


def _trace(error: Exception) -> str:
    """Writes the traceback down; returns its place."""
    lines = "".join(traceback.format_exception(error))
    if os.environ.get(TRACEBACK):
        sys.stderr.write(lines)
        return "its traceback is above"
    if _begun:
        path = _begun[0][1] / "fault.txt"
        with contextlib.suppress(OSError):
            path.write_text(lines, errors="replace")
            return f"its traceback is in {path}"
    return f"{TRACEBACK}=1 shows its traceback"

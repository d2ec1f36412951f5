"""A text that several processes need and one of them makes."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path
from typing import IO

Make = Callable[[], str]


class AbandonedError(Exception):
    """The process that made the document ended before it was done."""


def once(path: Path, make: Make) -> str:
    """The text at `path`, made by the process that comes first; the others wait for it.

    A record lock (`lockf`) belongs to its process alone: it ends with the process, also where a child that was forked lives on.

    Raises AbandonedError in every process that comes after one that ended while it made the text.
    """
    with path.with_suffix(".lock").open("a+") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        if not path.exists():
            _make(path, lock, make)
    return path.read_text()


def _make(path: Path, lock: IO[str], make: Make) -> None:
    lock.seek(0)
    if lock.read():
        raise AbandonedError
    lock.write("begun")
    lock.flush()
    try:
        document = make()
    except BaseException:
        lock.truncate(0)  # an interruption says nothing about the next process
        raise
    partial = path.with_suffix(".partial")
    partial.write_text(document)
    partial.replace(path)

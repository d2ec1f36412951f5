"""A process, its parent and its descendants: none outlives the others unseen."""

from __future__ import annotations

import ctypes
import signal
import sys

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def die_with_parent() -> None:
    """On Linux, asks to be killed when the parent dies, so that a hanging call leaves no process behind (prctl(2))."""
    _control(PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """On Linux, becomes the parent of descendants that lose theirs, so that they are found (prctl(2))."""
    _control(PR_SET_CHILD_SUBREAPER, 1)


def _control(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)

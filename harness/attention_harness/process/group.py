"""The processes that foreign code started, whatever they did to leave: a group of the kernel where one can be made.

A process cannot leave its control group, cgroups(7), without writing to its files, which the sandbox refuses. Without a group
the descendants of the process count, and those that carry a mark in their environment.
"""

from __future__ import annotations

import contextlib
import os
import sys
from functools import cache
from pathlib import Path

import psutil

PREFIX = "attention-harness-"


class Group:
    """A control group for one process and its descendants; it is empty where none can be made."""

    def __init__(self, name: str) -> None:
        above = own_folder()
        self.folder = above / f"{PREFIX}{name}" if above else None

    def add(self, pid: int) -> None:
        """Makes the group, of a process; what it starts from then on is in it too. Empty groups go, of runs that were killed."""
        try:
            if self.folder:
                for left in self.folder.parent.glob(f"{PREFIX}*"):
                    with contextlib.suppress(OSError):  # somebody is in it
                        left.rmdir()
                self.folder.mkdir()
                (self.folder / "cgroup.procs").write_text(str(pid))
        except OSError:
            self.close()

    def processes(self) -> list[psutil.Process]:
        """Those that are alive."""
        processes: list[psutil.Process] = []
        if self.folder:
            with contextlib.suppress(OSError):
                for pid in (self.folder / "cgroup.procs").read_text().split():
                    with contextlib.suppress(psutil.Error):
                        processes.append(psutil.Process(int(pid)))
        return processes

    def close(self) -> None:
        """Removes the group; nobody may be in it any more."""
        if self.folder:
            with contextlib.suppress(OSError):
                self.folder.rmdir()
        self.folder = None


@cache
def own_folder() -> Path | None:
    """The folder of this process's own group, if there is one that groups may be made in."""
    if sys.platform != "linux":
        return None
    with contextlib.suppress(OSError, ValueError, IndexError):
        mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        place = next(Path(mount[4]) for mount in mounts if mount[mount.index("-") + 1] == "cgroup2")
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        own = next(line for line in lines if line.startswith("0::")).removeprefix("0::/")
        folder = place / own
        return folder if os.access(folder, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK) else None
    return None


def state() -> str:
    """How the processes of foreign code are found, in words for the report."""
    return "by a control group" if own_folder() else "by their parents and their environment: no control group can be made"

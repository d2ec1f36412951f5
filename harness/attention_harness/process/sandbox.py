"""What a process with foreign code may do to the machine, on Linux: it writes to a scratch folder, and has no network.

Landlock restricts files, TCP and signals, seccomp the calls of the system that reach the network or the memory of other
processes. Both are asked through ctypes, bind all that the process starts, and cannot be taken off. `state` says what this
kernel has; where it has none of it, foreign code may do what its user may. Sources: landlock(7), seccomp(2).
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from getpass import getuser
from pathlib import Path
from stat import S_ISDIR

from attention_harness.process import filters

SWITCH = "ATTENTION_HARNESS_SANDBOX"
"""Environment variable: `off` for no sandbox."""
WRITABLE = "ATTENTION_HARNESS_WRITABLE"
"""Environment variable: further folders that foreign code may write to, as in PATH."""
ADVICE = f"it may write below $TMPDIR alone, and has no network ({WRITABLE} names further folders, {SWITCH}=off leaves all open)"
"""For an exception of the sandbox."""
SCRATCH = "TMPDIR"
"""Environment variable of a process with foreign code: its scratch folder."""
CACHES = (
    "TORCHINDUCTOR_CACHE_DIR", "JAX_COMPILATION_CACHE_DIR", "TRITON_CACHE_DIR", "TORCH_EXTENSIONS_DIR", "NUMBA_CACHE_DIR",
    "CUDA_CACHE_PATH", "CUPY_CACHE_DIR", "XDG_CACHE_HOME",
)  # fmt: skip
"""Environment variables of the folders where libraries keep what they compiled."""
HOME_CACHES = (".cache", ".triton", ".nv", ".cupy")
DEVICES = ("null", "zero", "full", "tty", "shm", "kfd", "dri", "nvidia*")
"""Names below /dev that may be written to: shared memory of multiprocessing, and accelerators."""

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
PATH_BENEATH, ASK_VERSION = 1, 1
NO_NEW_PRIVILEGES = 38

READ_FILE = 1 << 2
FILE_RIGHTS = 1 << 1 | READ_FILE | 1 << 14
"""The rights that a rule about a single file may have."""
CHANGES = 1 << 1 | sum(1 << n for n in range(4, 13))
"""Rights to write, to remove and to make; links across folders since version 2, and cutting since version 3."""
TCP = 1 << 0 | 1 << 1
SCOPED = 1 << 0 | 1 << 1
"""Abstract sockets of others, and signals to others: since version 6."""


class Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr."""

    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


DROPPED = (5, 12, 13, 16, 17, 19, 21, 22, 23, 25, 27, 38, 39)
"""CAP_KILL, NET_ADMIN, NET_RAW, SYS_MODULE, SYS_RAWIO, SYS_PTRACE, SYS_ADMIN, SYS_BOOT, SYS_NICE, SYS_TIME, MKNOD, PERFMON, BPF: those
of a superuser that reach other processes or the machine. Those about files stay, since a container may need them to read."""
CAPABILITIES = 0x20080522
"""_LINUX_CAPABILITY_VERSION_3."""


class Header(ctypes.Structure):
    """struct __user_cap_header_struct."""

    _fields_ = (("version", ctypes.c_uint32), ("process", ctypes.c_int))


class Beneath(ctypes.Structure):
    """struct landlock_path_beneath_attr."""

    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("rights", ctypes.c_uint64), ("folder", ctypes.c_int32))


def version() -> int:
    """The version of Landlock, 0 where there is none."""
    return max(0, _call(CREATE_RULESET, None, 0, ASK_VERSION)) if sys.platform == "linux" else 0


def state() -> str:
    """The sandbox of this machine, in words for the report."""
    if os.environ.get(SWITCH) == "off":
        return f"off ({SWITCH})"
    landlock = version()
    kept = (
        ["writes to a scratch folder only"] * (landlock > 0)
        + ["no TCP"] * (landlock > 3)
        + ["no signals to others"] * (landlock > 5)
    )
    parts = [f"Landlock {landlock} ({', '.join(kept)})"] * (landlock > 0)
    parts += ["seccomp (no network, no memory of other processes)"] * filters.supported()
    return "; ".join(parts) or "none: this system has neither Landlock nor seccomp"


@contextmanager
def scratch() -> Iterator[dict[str, str]]:
    """Variables of a process with a scratch folder of its own, which goes afterwards."""
    with tempfile.TemporaryDirectory(prefix=_prefix(os.getpid()), ignore_cleanup_errors=True) as folder:
        compiled = os.path.join(tempfile.gettempdir(), f"torchinductor_{_user()}")
        yield {SCRATCH: folder, "TORCHINDUCTOR_CACHE_DIR": os.environ.get("TORCHINDUCTOR_CACHE_DIR", compiled)}


def remove_scratch(owners: Iterable[int]) -> None:
    """Removes the scratch folders that these processes made, which cannot do so any more."""
    for owner in owners:
        for folder in Path(tempfile.gettempdir()).glob(f"{_prefix(owner)}*"):
            shutil.rmtree(folder, ignore_errors=True)


def _prefix(owner: int) -> str:
    return f"attention-harness-{owner}-"


def _user() -> str:
    try:
        return getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def enter(hidden: Iterable[Path] = ()) -> None:
    """Binds this process and all that it starts. OSError where the kernel has a sandbox and refuses it.

    Files in `hidden` cannot be read from then on.
    """
    if os.environ.get(SWITCH) == "off" or sys.platform != "linux":
        return
    if (landlock := version()) or filters.supported():
        _checked(library().prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0))
        _drop_capabilities()
    if landlock:
        _restrict(landlock, sorted({path.resolve() for path in hidden}))
    if filters.supported():
        filters.enter()


def _drop_capabilities() -> None:
    """Takes DROPPED from the sets of this process: effective, permitted and inheritable, 32 bits of each in turn."""
    header, sets = Header(CAPABILITIES, 0), (ctypes.c_uint32 * 6)()
    _checked(library().capget(ctypes.byref(header), ctypes.byref(sets)))
    for capability in DROPPED:
        for kind in range(3):
            sets[3 * (capability // 32) + kind] &= ~(1 << capability % 32)
    _checked(library().capset(ctypes.byref(header), ctypes.byref(sets)))


def _restrict(landlock: int, hidden: Sequence[Path]) -> None:
    changes = CHANGES | (1 << 13 if landlock > 1 else 0) | (1 << 14 if landlock > 2 else 0)
    rights = Ruleset(changes | (READ_FILE if hidden else 0), TCP if landlock > 3 else 0, SCOPED if landlock > 5 else 0)
    size = ctypes.sizeof(rights) if landlock > 5 else 16 if landlock > 3 else 8
    ruleset = _checked(_call(CREATE_RULESET, ctypes.byref(rights), size, 0))
    try:
        for place in writable():
            _allow(ruleset, place, changes | (READ_FILE if hidden else 0))
        for place in around(hidden):
            _allow(ruleset, place, READ_FILE)
        _checked(_call(RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def writable() -> list[Path]:
    """The places that foreign code may write to: scratch, compilation caches, what the user names, and devices."""
    home, named = Path.home(), [os.environ.get(SCRATCH, ""), *os.environ.get(WRITABLE, "").split(os.pathsep)]
    kept = [Path(os.environ[name]) for name in CACHES if os.environ.get(name)] + [home / name for name in HOME_CACHES]
    for place in kept[: len(kept) - len(HOME_CACHES)]:
        place.mkdir(parents=True, exist_ok=True)
    devices = [path for name in DEVICES for path in Path("/dev").glob(name)]
    return [Path(name) for name in named if name] + kept + devices + [Path("/proc/self")]


def around(hidden: Sequence[Path]) -> Iterator[Path]:
    """The largest places that together have everything but the hidden ones, which are real paths."""
    if hidden:
        yield from _around(Path("/"), frozenset(hidden), frozenset(folder for path in hidden for folder in path.parents))


def _around(folder: Path, hidden: frozenset[Path], above: frozenset[Path]) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            if path in above:
                yield from _around(path, hidden, above)
            elif path not in hidden and not entry.is_symlink():  # the place that a link leads to has a rule of its own
                yield path


def _allow(ruleset: int, place: Path, rights: int) -> None:
    """Adds a rule; nothing for a place that is not there, or that no rule can name, such as a socket."""
    try:
        descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        allowed = rights if S_ISDIR(os.fstat(descriptor).st_mode) else rights & FILE_RIGHTS
        _call(ADD_RULE, ruleset, PATH_BENEATH, ctypes.byref(Beneath(allowed, descriptor)), 0)
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    """syscall(2); -1 for an error."""
    return int(library().syscall(number, *arguments))


@cache
def library() -> ctypes.CDLL:
    """The C library."""
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), "the sandbox cannot be entered")
    return result

"""Programs that JAX and torch have compiled, kept between runs for the workers of a check.

Both key an entry by the program, their versions and their flags, but neither looks whether its bytes are whole: half a
shared object of Inductor's makes the next call fail. So a run begins with those entries alone whose digest an earlier run
has written down at its end. JAX bounds its folder itself (jax_compilation_cache_max_size), but needs `filelock` for that and
reads the times of all entries at each write; here one bound is for both, at the beginning of a run.

https://docs.jax.dev/en/latest/persistent_compilation_cache.html
https://docs.pytorch.org/tutorials/recipes/torch_compile_caching_configuration_tutorial.html
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import IO

PLACE = "ATTENTION_HARNESS_CACHE"
"""Environment variable: the folder of the cache, or `off`."""
OPENED = "ATTENTION_HARNESS_COMPILED"
"""Environment variable of the processes of a run: where its workers keep what they compile."""
MOST_BYTES = 2**28
"""A check of all implementations keeps some 10 MiB; to read 256 MiB for their digests takes 0.3 s."""
SEALS, LOCK = "seals.json", ".lock"
MACHINE = "[0-9a-f]" * 16
"""Names of folders of ours; whatever else lies beside them is not touched."""

NONE = {"JAX_ENABLE_COMPILATION_CACHE": "false", "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
"""Variables of a process whose first calls are timed: it compiles, whatever was compiled before."""


@dataclass(frozen=True)
class Opened:
    """The cache of this run: its lock file, and the number of whole programs at the beginning."""

    root: Path
    lock: IO[str]
    entries: int


_opened: list[Opened] = []


def variables() -> dict[str, str]:
    """Environment variables of a worker; none where no cache is opened, and none for a framework whose folder the user has set."""
    if not (folder := os.environ.get(OPENED)):
        return {}
    jax = {
        "JAX_COMPILATION_CACHE_DIR": os.path.join(folder, "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",  # 1 s by default: no program of a check takes so long
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    torch = {"TORCHINDUCTOR_CACHE_DIR": os.path.join(folder, "inductor"), "TORCHINDUCTOR_FX_GRAPH_CACHE": "1"}
    return {name: value for own in (jax, torch) if not own.keys() & os.environ.keys() for name, value in own.items()}


def at_start() -> dict[str, object]:
    """The part of run.json: `state` is off, cold or warm, `entries` the number of programs of earlier runs."""
    if not _opened:
        return {"state": "off", "entries": 0}
    return {"state": "warm" if _opened[0].entries else "cold", "entries": _opened[0].entries}


def open_cache() -> None:
    """From now on the workers of this process keep what they compile, unless that is switched off or cannot be written."""
    root = _root()
    if _opened or root is None:
        return
    with suppress(OSError):
        folder = root / _machine()
        folder.mkdir(parents=True, exist_ok=True)
        _opened.append(_open(root, folder))
        os.environ[OPENED] = str(folder)


def _open(root: Path, folder: Path) -> Opened:
    lock = (root / LOCK).open("a")
    try:
        whole = _swept(root, lock)
        return Opened(root, lock, sum(folder in path.parents and path.suffix != ".lock" for path in whole))
    except OSError:
        lock.close()
        raise


def close_cache() -> None:
    """Writes down the digests of what lies there, unless another run goes on, which does so at its end."""
    while _opened:
        opened = _opened.pop()
        os.environ.pop(OPENED, None)
        with opened.lock, suppress(OSError):
            fcntl.flock(opened.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _seal(opened.root)


def cache_folder() -> Path | None:
    """The folder of all that is kept between commands; None where that is switched off."""
    place = os.environ.get(PLACE, "")
    if place == "off":
        return None
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(place or os.path.join(home, "attention-harness")).absolute()


def _root() -> Path | None:
    """The folder of the programs of all machines and versions; None where the cache is switched off."""
    folder = cache_folder()
    return folder and folder / "compiled"


def _machine() -> str:
    """A name for this processor and these versions: a program for another one can crash, which neither library excludes."""
    from importlib.metadata import PackageNotFoundError, version

    traits = [platform.system(), platform.machine()]
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        traits += sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
    except OSError:
        traits.append(platform.processor())
    for package in ("jaxlib", "torch"):
        with suppress(PackageNotFoundError):
            traits.append(f"{package} {version(package)}")
    return sha256("\n".join(traits).encode()).hexdigest()[:16]


def _alone(lock: IO[str]) -> bool:
    """Whether no other run uses the cache; then none can begin before the lock is shared again."""
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _swept(root: Path, lock: IO[str]) -> Sequence[Path]:
    """The whole files. All others are deleted, and the oldest beyond the bound, unless another run goes on, which may write them.

    Raises OSError where another run goes on and a file is damaged.
    """
    alone = _alone(lock)
    seals, files = _seals(root), {path: _digest(path) for path in _files(root)}
    whole = [path for path, digest in files.items() if seals.get(_name(root, path)) == digest]
    if alone:
        whole = _bounded(whole)
        for path in files.keys() - set(whole):
            path.unlink()
    elif any(seals.get(_name(root, path), digest) != digest for path, digest in files.items()):
        raise BlockingIOError(f"{root}: a file is damaged, and another run goes on")
    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return whole


def _bounded(files: Sequence[Path]) -> list[Path]:
    """The files that were written last, as many as fit: the digests read all, so that none has a time of its last use."""
    kept, size = [], 0
    for path in sorted(files, key=lambda path: path.stat().st_mtime, reverse=True):
        size += path.stat().st_size
        if size <= MOST_BYTES:
            kept.append(path)
    return kept


def _seal(root: Path) -> None:
    """Writes the digests of all files; a file that had one keeps it, unread, since no program is written twice."""
    before, partial = _seals(root), root / f"{SEALS}.partial"
    sealed = {(name := _name(root, path)): before.get(name) or _digest(path) for path in _files(root)}
    if sealed != before:
        partial.write_text(json.dumps(sealed))
        partial.replace(root / SEALS)


def _seals(root: Path) -> dict[str, str]:
    """Path below the root -> digest; nothing where they cannot be read."""
    with suppress(OSError, ValueError, AttributeError):
        return {str(name): str(digest) for name, digest in json.loads((root / SEALS).read_text()).items()}
    return {}


def _files(root: Path) -> Iterator[Path]:
    """The files below the folders of machines."""
    return (path for path in root.glob(f"{MACHINE}/**/*") if path.is_file())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _name(root: Path, path: Path) -> str:
    return str(path.relative_to(root))

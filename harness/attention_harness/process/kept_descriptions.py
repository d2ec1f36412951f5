"""What our implementations described in an earlier command, kept for `list`: to load every framework takes seconds.

It holds as long as the installed packages with their versions, our own files, and the devices are the same.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from glob import glob
from hashlib import sha256
from pathlib import Path

import numpy as np

import attention_implementations
import attention_specs
from attention_harness.errors import CallFailed, Outcome
from attention_harness.process.compilation_cache import cache_folder
from attention_harness.process.described import accepted
from attention_harness.process.messages import Failure
from attention_harness.process.schema import decoded, encoded
from attention_specs.contract import Description

FILE = "descriptions.json"
METADATA = (".dist-info", ".egg-info")
"""Folders of installed packages, with the version in their names."""

VARIABLES = ("CUDA", "HIP", "JAX", "KERAS", "LD_LIBRARY_PATH", "ROCR", "TORCH", "XLA")
"""Beginnings of environment variables that decide which devices and back ends a framework has."""

DEVICES = ("/dev/nvidia*", "/dev/kfd", "/dev/dri/*")

Answers = Mapping[str, Description | CallFailed]
"""Name of an implementation -> its description, or the reason why there is none."""


@dataclass(frozen=True)
class Descriptions:
    """The answers of one state of the machine."""

    state: str
    answers: dict[str, Description | Failure]


def recall() -> Answers:
    """The answers of this state of the machine; none where nothing is kept, or what is kept cannot be read."""
    if place := _place():
        with suppress(OSError, ValueError, CallFailed):
            earlier = decoded(Descriptions, place.read_bytes(), np.empty(0, np.uint8))
            if earlier.state == _state():
                return {name: _answer(name, answer) for name, answer in earlier.answers.items()}
    return {}


def remember(answers: Answers) -> None:
    """Keeps what is described or not installed; other failures, such as a slow start, are asked for again."""
    lasting = {name: _message(answer) for name, answer in answers.items() if _lasts(answer)}
    if place := _place():
        partial = place.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(encoded(Descriptions(_state(), lasting))[0])
            partial.replace(place)


def _lasts(answer: Description | CallFailed) -> bool:
    return isinstance(answer, Description) or answer.outcome is Outcome.UNAVAILABLE


def _message(answer: Description | CallFailed) -> Description | Failure:
    return Failure(Outcome.UNAVAILABLE, answer.message) if isinstance(answer, CallFailed) else answer


def _answer(name: str, answer: Description | Failure) -> Description | CallFailed:
    return CallFailed(answer.kind, answer.message) if isinstance(answer, Failure) else accepted(answer, name)


def _place() -> Path | None:
    folder = cache_folder()
    return folder and folder / FILE


@cache
def _state() -> str:
    """A digest of all that decides the answers."""
    return sha256("\n".join((sys.version, *_packages(), *_own_files(), *_devices())).encode()).hexdigest()


def _packages() -> Iterator[str]:
    for folder in sys.path:
        with suppress(OSError):
            yield from sorted(name for name in os.listdir(folder or ".") if name.endswith(METADATA))


def _own_files() -> Iterator[str]:
    packages = map(Path, (*attention_implementations.__path__, *attention_specs.__path__))
    for folder in (Path(__file__).parents[1], *packages):
        for file in sorted(folder.rglob("*.py")):
            status = file.stat()
            yield f"{file} {status.st_size} {status.st_mtime_ns}"


def _devices() -> Iterator[str]:
    yield from (f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith(VARIABLES))
    yield from sorted(name for pattern in DEVICES for name in glob(pattern))

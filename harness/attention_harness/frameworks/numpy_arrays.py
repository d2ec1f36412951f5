"""NumPy's verbs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import nan

import numpy as np

COMPILES = False


def from_numpy(array: np.ndarray, device: str) -> np.ndarray:
    """The array itself."""
    return array


def to_numpy(array: object) -> np.ndarray:
    """The array itself; TypeError for anything but an ndarray or a NumPy scalar. A subclass may mean something else by its
    numbers (a mask, a unit)."""
    if type(array) is not np.ndarray and not isinstance(array, np.generic):
        raise TypeError(f"output={type(array).__name__}, but should be numpy.ndarray")
    return np.asarray(array)


def wait(array: object) -> None:
    """Nothing to wait for."""


def gradient(
    function: Callable[..., object],
    arrays: dict[str, np.ndarray],
    options: dict[str, object],
    wrt: Sequence[str],
    dout: np.ndarray,
) -> tuple[object, dict[str, np.ndarray]]:
    """NotImplementedError: NumPy differentiates nothing."""
    raise NotImplementedError(
        "framework=numpy, but should be one that differentiates, or declare attention.backward = a function"
    )


def compiled(step: Callable[..., object], options: dict[str, object]) -> Callable[..., object]:
    """As it is: nothing is compiled."""
    return step


def forget_programs() -> None:
    """Nothing is compiled."""


def device_peak(call: Callable[[], object]) -> float:
    """NaN: NumPy has the CPU alone."""
    return nan


def version() -> str:
    """NumPy's version."""
    return np.__version__


def missing(device: str) -> str:
    """Nothing: NumPy has the CPU only, which is there."""
    return ""

"""JAX's verbs. Its precision switches are set when this is imported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from ctypes import CDLL
from math import nan

import jax
import numpy as np

from attention_harness.frameworks.switches import set_precise

set_precise("jax")

COMPILES = True


def from_numpy(array: np.ndarray, device: str) -> jax.Array:
    """A copy: JAX arrays have neither strides nor writers."""
    return jax.device_put(np.array(array), jax.devices(device)[0])


def to_numpy(array: object) -> np.ndarray:
    """The array's values; TypeError for anything but a JAX array."""
    if not isinstance(array, jax.Array):
        raise TypeError(f"output={type(array).__name__}, but should be jax.Array")
    return np.asarray(array)


def wait(array: object) -> None:
    """JAX returns before the work is done."""
    jax.block_until_ready(array)


def gradient(
    function: Callable[..., object],
    arrays: dict[str, jax.Array],
    options: dict[str, object],
    wrt: Sequence[str],
    dout: jax.Array,
) -> tuple[object, dict[str, jax.Array]]:
    """By jax.vjp; the other arguments are closed over."""

    def of(chosen: dict[str, object]) -> object:
        positional = [chosen.get(name, array) for name, array in arrays.items()]
        return function(*positional, **{name: chosen.get(name, value) for name, value in options.items()})

    given = arrays | options
    out, pull_back = jax.vjp(of, {name: given[name] for name in wrt})
    return out, pull_back(dout)[0]


def compiled(step: Callable[..., object], options: dict[str, object]) -> Callable[..., object]:
    """By jax.jit; options that are no arrays are part of the program."""
    return jax.jit(step, static_argnames=[name for name, value in options.items() if not isinstance(value, jax.Array)])


def forget_programs() -> None:
    """All of them: some 6 MB each on the CPU, which glibc gives back to the system only when it is asked (malloc_trim(3))."""
    jax.clear_caches()
    with suppress(AttributeError, OSError):
        CDLL(None).malloc_trim(0)


def device_peak(call: Callable[[], object]) -> float:
    """NaN: JAX has the largest size since the process began, not that of one call."""
    return nan


def version() -> str:
    """JAX's version."""
    return str(jax.__version__)


def missing(device: str) -> str:
    """Whether JAX has such a device."""
    try:
        jax.devices(device)
    except RuntimeError as error:
        return str(error).splitlines()[0]
    return ""

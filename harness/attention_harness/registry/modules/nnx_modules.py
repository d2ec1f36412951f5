"""Modules of flax.nnx."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Protocol

import numpy as np

from attention_harness.frameworks import jax_arrays
from attention_harness.registry.modules.jax_entries import batched
from attention_harness.registry.modules.kinds import Parameter

__all__ = ["BATCHED", "FRAMEWORK", "batched", "mask_means", "own_arguments", "parameters", "prepared", "with_values"]

nnx = import_module("flax.nnx")

FRAMEWORK = "jax"
BATCHED = True


class Variable(Protocol):
    """A parameter of flax."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of its axes."""


def mask_means(module: type) -> str:
    """True is visible."""
    return "visible"


def own_arguments() -> Mapping[str, Callable[[], object]]:
    """Streams of random numbers; no cache for decoding."""
    return {"rngs": lambda: nnx.Rngs(0), "decode": lambda: False, "deterministic": lambda: True}


def _named(module: object) -> dict[str, Variable]:
    return {".".join(map(str, path)): one for path, one in nnx.to_flat_state(nnx.state(module, nnx.Param))}


def parameters(module: object) -> dict[str, Parameter]:
    """Kernels are [in, out], and so are those of several axes."""
    return {name: Parameter(tuple(one.shape), "in,out" if "kernel" in name else "") for name, one in _named(module).items()}


def prepared(module: object, dtype: str, device: str) -> object:
    """Without dropout. The dtype is that of the parameters, which are set."""
    copied = nnx.clone(module)
    copied.eval()
    return copied


def with_values(module: object, values: Mapping[str, np.ndarray], device: str) -> Callable[..., object]:
    """Its own parameters get the values."""
    state = nnx.state(module, nnx.Param)
    given = {name: jax_arrays.from_numpy(value, device) for name, value in values.items()}
    changed = [(path, one.replace(given.get(".".join(map(str, path)), one[...]))) for path, one in nnx.to_flat_state(state)]
    nnx.update(module, nnx.from_flat_state(changed))
    return module  # type: ignore[return-value]

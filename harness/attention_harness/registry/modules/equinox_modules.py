"""Modules of equinox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

import jax
import numpy as np

from attention_harness.frameworks import jax_arrays
from attention_harness.registry.modules.jax_entries import batched
from attention_harness.registry.modules.kinds import Parameter

__all__ = ["BATCHED", "FRAMEWORK", "batched", "mask_means", "own_arguments", "parameters", "prepared", "with_values"]

eqx = import_module("equinox")

FRAMEWORK = "jax"
BATCHED = False


def mask_means(module: type) -> str:
    """True is visible."""
    return "visible"


def own_arguments() -> Mapping[str, Callable[[], object]]:
    """A key of random numbers."""
    return {"key": lambda: jax.random.key(0)}


def _named(module: object) -> tuple[list[tuple[str, jax.Array]], jax.tree_util.PyTreeDef]:
    leaves, structure = jax.tree_util.tree_flatten_with_path(module)
    return [(jax.tree_util.keystr(path).lstrip("."), leaf) for path, leaf in leaves], structure


def parameters(module: object) -> dict[str, Parameter]:
    """Weights of a Linear are [out, in]."""
    named = {name: leaf for name, leaf in _named(module)[0] if eqx.is_inexact_array(leaf)}
    return {name: Parameter(tuple(leaf.shape), "out,in" if name.endswith(".weight") else "") for name, leaf in named.items()}


def prepared(module: object, dtype: str, device: str) -> object:
    """Without dropout. The dtype is that of the parameters, which are set."""
    return eqx.nn.inference_mode(module)


def with_values(module: object, values: Mapping[str, np.ndarray], device: str) -> Callable[..., object]:
    """Another module with these parameters."""
    named, structure = _named(module)
    given = {name: jax_arrays.from_numpy(value, device) for name, value in values.items()}
    call: Callable[..., object] = jax.tree_util.tree_unflatten(structure, [given.get(name, leaf) for name, leaf in named])
    return call

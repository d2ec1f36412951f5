"""A call of JAX for each entry of a batch by itself."""

from __future__ import annotations

from collections.abc import Callable

import jax


def batched(call: Callable[..., object]) -> Callable[..., object]:
    """By vmap over its arrays."""

    def each(**arguments: object) -> object:
        arrays = {name: value for name, value in arguments.items() if isinstance(value, jax.Array)}
        rest = {name: value for name, value in arguments.items() if name not in arrays}
        return jax.vmap(lambda given: call(**given, **rest))(arrays)

    return each

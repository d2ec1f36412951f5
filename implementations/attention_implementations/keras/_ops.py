"""`keras.ops.dot_product_attention` on a backend, which Keras chooses once in a process, when it is imported."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

LOWEST = -1e38
"""The backends numpy and jax give masked keys -0.7 * the largest float32."""


def keras(backend: str) -> Any:
    """Keras on this backend. NotImplementedError in a process that has it on another."""
    os.environ["KERAS_BACKEND"] = backend
    module = import_module("keras")
    if module.backend.backend() != backend:
        raise NotImplementedError(f"backend={module.backend.backend()}, but should be {backend}: this process has begun with it")
    return module


def dot_product_attention(backend: str, q: Any, k: Any, v: Any, **options: Any) -> Any:
    """The call in its own layout, [batch, length, heads, dim]. What Keras refuses is NotImplementedError."""
    for name in ("mask", "bias"):
        a = options.get(name)
        options[name] = None if a is None else a[(None,) * (4 - a.ndim)]
    if not k.shape[2]:
        raise NotImplementedError("key_heads=0, but should be at least 1")
    bias, hides = options["bias"], options["mask"] is not None or options["is_causal"]
    if backend != "torch" and hides and bias is not None and bias.size and float(bias.min()) < LOWEST:
        raise NotImplementedError(f"bias below {LOWEST:g}, but should be above it beside a mask: finding keras-shows-the-future")
    try:
        return keras(backend).ops.dot_product_attention(q, k, v, **options)
    except ValueError as error:
        if "Only one of" not in str(error):
            raise
        raise NotImplementedError(f"mask and bias, but should be one of them: {error}") from error

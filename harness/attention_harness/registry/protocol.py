"""A module of Python with `supports` and `prepare`, as a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Protocol

from attention_specs.contract import ATTRIBUTES


class Array(Protocol):
    """What arrays of every framework have."""

    @property
    def shape(self) -> Sequence[int]:
        """Lengths of the axes."""

    @property
    def dtype(self) -> object:
        """A type of the framework's own, whose text names it."""


def from_protocol(module: ModuleType) -> Callable[..., object]:
    """A module with `supports` and `prepare` as a function: each new kind of problem is prepared once."""
    prepared: dict[str, Callable[..., object]] = {}

    def attention(q: Array, k: Array, v: Array, **options: object) -> object:
        problem = {"shapes": [tuple(a.shape) for a in (q, k, v)], "dtype": str(q.dtype), "options": sorted(options)}
        if reason := module.supports(problem) if hasattr(module, "supports") else None:
            raise NotImplementedError(reason)
        if str(problem) not in prepared:
            prepared[str(problem)] = module.prepare(problem)
        return prepared[str(problem)](q, k, v, **options)

    for name in ATTRIBUTES:
        if hasattr(module, name):
            setattr(attention, name, getattr(module, name))
    attention.__doc__ = module.__doc__
    if not hasattr(module, "options"):
        attention.options = ("mask", "bias", "is_causal", "scale")  # type: ignore[attr-defined]
    return attention

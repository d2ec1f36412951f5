"""The kinds of modules, and the verbs that each has a file for: its parameters by name, how they are set, and a call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from math import prod
from typing import Protocol

import numpy as np

BASES = {"torch": "torch_modules", "flax": "nnx_modules", "equinox": "equinox_modules"}
"""Package of a class `Module` -> the file of its verbs."""


@dataclass(frozen=True)
class Parameter:
    """The shape of a parameter, and the order of its axes, "out,in" or "in,out", where its layer says it."""

    shape: tuple[int, ...]
    stored: str = ""

    @property
    def size(self) -> int:
        """Its elements."""
        return prod(self.shape)


class Verbs(Protocol):
    """What is different from one kind of modules to another."""

    FRAMEWORK: str
    """Of its arrays."""
    BATCHED: bool
    """Whether modules of this kind usually take a batch."""

    def mask_means(self, module: type) -> str:
        """The meaning of True in masks of this class, "visible" or "hidden"."""

    def own_arguments(self) -> Mapping[str, Callable[[], object]]:
        """Constructor argument -> how it is made: a source of random numbers."""

    def parameters(self, module: object) -> dict[str, Parameter]:
        """Name -> parameter."""

    def prepared(self, module: object, dtype: str, device: str) -> object:
        """A copy for inference, in this dtype."""

    def with_values(self, module: object, values: Mapping[str, np.ndarray], device: str) -> Callable[..., object]:
        """The module with these parameters, ready to be called."""

    def batched(self, call: Callable[..., object]) -> Callable[..., object]:
        """The call for each entry of a batch by itself."""


def kind_of(thing: object) -> str:
    """The package of the module, or of the class of modules; "" for anything else."""
    classes = thing.__mro__ if inspect.isclass(thing) else type(thing).__mro__
    return next((p for c in classes if c.__name__ == "Module" and (p := c.__module__.partition(".")[0]) in BASES), "")


def verbs_of(kind: str) -> Verbs:
    """Imports them, and the framework with them."""
    return import_module(f"{__package__}.{BASES[kind]}")


def class_of(thing: object) -> type:
    """The class itself, or that of an instance."""
    return thing if isinstance(thing, type) else type(thing)


def code_of_class(module: type) -> str:
    """The code of a class and of those that it inherits from, but for the framework's own; "" where there is none to be read."""
    texts = []
    for one in module.__mro__:
        if one.__module__.partition(".")[0] not in (*BASES, "builtins"):
            with suppress(OSError, TypeError):
                texts.append(inspect.getsource(one))
    return "\n".join(texts)

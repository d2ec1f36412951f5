"""The catalogue of faults: deliberately wrong attentions, most of them a bug that somebody shipped, that a property must reject.

A fault is a function with the signature of the contract and one decorator. Every module here is loaded by `load_all`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import numpy as np

from specs.contract import OPTIONS

Attention = Callable[..., Any]


@dataclass(frozen=True)
class Fault:
    """A planted bug: `family` is its class in the survey of real bugs, `link` names one of them (owner/repo#number)."""

    name: str
    family: str
    link: str
    function: Attention

    @property
    def location(self) -> str:
        """Where the loader finds it, `module:function`."""
        return f"{self.function.__module__}:{self.name}"


FAULTS: dict[str, Fault] = {}


def fault(family: str, link: str = "", cache: bool = False) -> Callable[[Attention], Attention]:
    """Registers the function as a fault of that class; no link: a variant of its neighbours. ValueError if the name is taken.

    Only faults about caches take one: to the others it is handed over with the keys.
    """

    def register(function: Attention) -> Attention:
        name = function.__name__
        if name in FAULTS:
            raise ValueError(f"fault={name}, but should be a name that is not taken")

        @wraps(function)
        def quiet(q: np.ndarray, k: np.ndarray, v: np.ndarray, **options: Any) -> Any:
            with np.errstate(all="ignore"):
                return function(q, k, v, **options)

        quiet.options = tuple(name for name in OPTIONS if cache or not name.startswith("past"))  # type: ignore[attr-defined]
        FAULTS[name] = Fault(name, family, link, quiet)
        return quiet

    return register


def load_all() -> dict[str, Fault]:
    """Imports all modules of this folder, which registers their faults, and returns these by name."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    return FAULTS

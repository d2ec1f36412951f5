"""The catalogue of faults: deliberately wrong attentions that a property must reject, about half of them a bug that somebody reported.

A fault is a function with the signature of the contract and one decorator. Every module here is loaded by `load_all`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np

from attention_specs.attention.storage import Storage
from attention_specs.contract import OPTIONS
from attention_specs.forms.padded import Padded
from attention_specs.forms.ragged import SAID
from attention_specs.registry import Registry

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

    @property
    def spec(self) -> str:
        """Whose signature it has: that of "attention" or of the "multi-head" layer."""
        return str(getattr(self.function, "spec", "attention"))

    @property
    def form(self) -> str:
        """The form in which it is called."""
        return str(getattr(self.function, "form", PADDED))

    @property
    def alone(self) -> bool:
        """Whether it may take its process with it, or never come back: those are in the module `processes`."""
        return self.function.__module__ == f"{__name__}.processes"


FAULTS: Registry[Fault] = Registry("fault")


OPTIONS_OF = {"multi-head": ("mask", "return_weights"), "merge": ("return_lse",)}
"""Options of functions of other specs than attention."""
PADDED = Padded.name
BOTTOM_RIGHT = {"causal_alignment": "bottom-right", "window_alignment": "bottom-right"}
"""The conventions of serving engines, which faults of the other forms declare."""


def quiet(
    function: Attention, cache: bool = False, spec: str = "attention", only: tuple[str, ...] = (), form: str = PADDED
) -> Attention:
    """As faults are called: without warnings, with every option of the contract, and with a cache only where that is asked for.

    A function that needs others to be written as a mask names the options that it has, as `only`.
    """

    @wraps(function)
    def called(*arrays: np.ndarray, **given: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*arrays, **given)

    without_cache = tuple(name for name in OPTIONS if cache or not name.startswith("past"))
    del called.__wrapped__  # a fault's own parameters are steps of the computation, none of them asked for by a caller
    called.spec = spec  # type: ignore[attr-defined]
    storage = Storage.declared(getattr(function, "storage", {}))
    scales = () if storage is None else storage.options
    called.options = (*(only or OPTIONS_OF.get(spec, without_cache)), *scales)  # type: ignore[attr-defined]
    if form != PADDED:
        called.form, called.conventions = form, BOTTOM_RIGHT | getattr(function, "conventions", {})  # type: ignore[attr-defined]
        called.options = (*(only or SAID), *scales)  # type: ignore[attr-defined]
    return called


def fault(
    family: str, link: str = "", cache: bool = False, spec: str = "attention", only: tuple[str, ...] = (), form: str = PADDED
) -> Callable[[Attention], Attention]:
    """Registers the function as a fault of that class; no link: a variant of its neighbours. ValueError if the name is taken.

    Only faults about caches take one: to the others it is handed over with the keys. `only`: all the options that it has.
    """

    def register(function: Attention) -> Attention:
        name = function.__name__
        return FAULTS.register(Fault(name, family, link, quiet(function, cache, spec, only, form)), name).function

    return register


def load_all() -> Registry[Fault]:
    """All faults by name, after the import of the modules of this folder, which register them."""
    return FAULTS.load(__name__)

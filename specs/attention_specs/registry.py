"""Registries: things that are known by their names, and the specs, each of which is a folder of this package."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, Self, TypeVar, cast

Thing = TypeVar("Thing")


class Registry(dict[str, Thing]):
    """Name -> thing, in the order of registration.

    >>> numbers: Registry[int] = Registry("number")
    >>> numbers.register(1, "one")
    1
    >>> numbers
    {'one': 1}
    >>> numbers.register(2, "one")
    Traceback (most recent call last):
    ValueError: number=one, but should be a name that is not taken
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        """The noun for one thing, for messages."""

    def register(self, thing: Thing, name: str = "") -> Thing:
        """Adds the thing under this name, or a function under its own. ValueError for a name that is taken."""
        name = name or str(cast(Any, thing).__name__)
        if name in self:
            raise ValueError(f"{self.kind}={name}, but should be a name that is not taken")
        self[name] = thing
        return thing

    def load(self, package: str) -> Self:
        """The registry after the import of all modules of the package, whose things register themselves."""
        for module in iter_modules(import_module(package).__path__):
            import_module(f"{package}.{module.name}")
        return self


SPECS = tuple(sorted(path.parent.name.replace("_", "-") for path in Path(__file__).parent.glob("*/spec.py")))
"""The names of all specs: each is a folder with the same file names, and nothing else lists them."""


def part(spec: str, file: str) -> ModuleType:
    """One file of a spec's folder, as a module. KeyError for a name that no spec has."""
    if spec not in SPECS:
        raise KeyError(spec)
    return import_module(f"{__package__}.{spec.replace('-', '_')}.{file}")


def drawn_recipes(spec: str) -> list[str]:
    """Names of the recipes that fit every problem of a spec; the others belong to named cases."""
    names: list[str] = part(spec, "recipes").DRAWN
    return names

"""Masks and biases: things that have a name and arguments, and become arrays on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from reprlib import repr as short
from typing import Any, ClassVar, Self, TypeVar

from attention_specs.plain_data import hints, require
from attention_specs.registry import Registry


@dataclass(frozen=True)
class Named:
    """`kind` names one of the class's factories, `arguments` are its arguments."""

    factories: ClassVar[Registry[Callable[..., Any]]]

    kind: str
    arguments: tuple[Any, ...] = ()

    def made(self) -> Any:
        """The function that the factory makes of the arguments."""
        return self.factories[self.kind](*self.arguments)

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(map(str, self.arguments))})"

    def to_json(self) -> list[Any]:
        """Nested lists, kind first."""
        return [self.kind, *(a.to_json() if isinstance(a, Named) else a for a in self.arguments)]

    @classmethod
    def from_json(cls, data: list[Any]) -> Self:
        """The inverse of `to_json`; ValueError for a kind that the class does not have, or other arguments than it takes."""
        require(cls.factories.kind, data, list | tuple)
        kind, *arguments = data or [None]
        if not isinstance(kind, str) or kind not in cls.factories:
            raise ValueError(f"{cls.factories.kind}={short(kind)}, but should be one of {', '.join(sorted(cls.factories))}")
        made, wanted = tuple(_argument(a) for a in arguments), hints(cls.factories[kind])
        if len(made) != len(wanted):
            raise ValueError(f"{cls.factories.kind}={kind} of {len(made)} arguments, but should have {len(wanted)}")
        for argument, (name, hint) in zip(made, wanted.items(), strict=True):
            require(f"{name} of {kind}", argument, hint)
        return cls(kind, made)


Thing = TypeVar("Thing", bound=Named)


def factory_of(cls: type[Thing]) -> Callable[[Callable[..., Any]], Callable[..., Thing]]:
    """Decorator: registers the function as a kind of the class under its own name; calling it then gives the named thing."""

    def register(function: Callable[..., Any]) -> Callable[..., Thing]:
        cls.factories.register(function)

        @wraps(function)
        def named(*arguments: Any) -> Thing:
            return cls(function.__name__, arguments)

        return named

    return register


def _argument(data: Any) -> Any:
    """An argument that may be a mask or a bias: its first item is then a kind of that class."""
    if not isinstance(data, list):
        return data
    owners = [cls for cls in Named.__subclasses__() if data and isinstance(data[0], str) and data[0] in cls.factories]
    return owners[0].from_json(data) if owners else tuple(data)

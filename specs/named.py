"""Things that are known by a name and its arguments, and become arrays on demand: masks and biases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ClassVar, Self, TypeVar


@dataclass(frozen=True)
class Named:
    """`kind` names one of the class's factories, `arguments` are what it was called with."""

    kinds: ClassVar[dict[str, Callable[..., Any]]]

    kind: str
    arguments: tuple[Any, ...] = ()

    def made(self) -> Any:
        """What the factory gives for the arguments."""
        return self.kinds[self.kind](*self.arguments)

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(map(str, self.arguments))})"

    def to_json(self) -> list[Any]:
        """Nested lists, kind first."""
        return [self.kind, *(a.to_json() if isinstance(a, Named) else a for a in self.arguments)]

    @classmethod
    def from_json(cls, data: list[Any]) -> Self:
        """The inverse of `to_json`; ValueError for a kind that the class does not have."""
        kind, *arguments = data
        if kind not in cls.kinds:
            raise ValueError(f"{cls.__name__.lower()}={kind!r}, but should be one of {', '.join(sorted(cls.kinds))}")
        return cls(kind, tuple(_argument(a) for a in arguments))


Thing = TypeVar("Thing", bound=Named)


def factory_of(cls: type[Thing]) -> Callable[[Callable[..., Any]], Callable[..., Thing]]:
    """Decorator: registers the function as a kind of the class under its own name; calling it then gives the named thing."""

    def register(function: Callable[..., Any]) -> Callable[..., Thing]:
        cls.kinds[function.__name__] = function

        @wraps(function)
        def named(*arguments: Any) -> Thing:
            return cls(function.__name__, arguments)

        return named

    return register


def _argument(data: Any) -> Any:
    """An argument may be named itself: then its kind tells which class it is of."""
    if not isinstance(data, list):
        return data
    owner = next((cls for cls in Named.__subclasses__() if data and data[0] in cls.kinds), None)
    return owner.from_json(data) if owner else tuple(data)

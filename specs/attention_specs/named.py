"""Masks and biases: things that have a name and arguments, and become arrays on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from reprlib import repr as short
from typing import Any, ClassVar, Generic, Self, TypeVar, overload

from attention_specs.draws import Draws
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
    def from_json(cls, data: object) -> Self:
        """The inverse of `to_json`; ValueError for a kind that the class does not have, or other arguments than it takes."""
        require(cls.factories.kind, data, list | tuple)
        assert isinstance(data, list | tuple)
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
Arguments = Callable[[Draws], tuple[Any, ...]]


class Kinds(Generic[Thing]):
    """The decorators of a class of named things.

    `@kind` registers a function as a kind of the class under its own name; a call of it then gives the named thing.
    `@kind(draw=...)` says beside it how its arguments are drawn, so that runs ask for it. `@kind.drawn` registers a
    combination that is drawn under a name of its own and is no kind.
    """

    def __init__(self, cls: type[Thing]) -> None:
        self.cls = cls
        self.draws: Registry[Callable[[Draws], Thing]] = Registry(f"drawn {cls.factories.kind}")
        """Name -> a function that draws such a thing, in the order of definition."""

    @overload
    def __call__(self, function: Callable[..., Any]) -> Callable[..., Thing]: ...

    @overload
    def __call__(self, *, draw: Arguments) -> Callable[[Callable[..., Any]], Callable[..., Thing]]: ...

    def __call__(self, function: Callable[..., Any] | None = None, *, draw: Arguments | None = None) -> Any:
        """Registers a function, now or as a decorator."""
        return partial(self._register, draw=draw) if function is None else self._register(function, draw)

    def drawn(self, function: Callable[[Draws], Thing]) -> Callable[[Draws], Thing]:
        """Registers a combination of things that is drawn as a whole."""
        return self.draws.register(function)

    def _register(self, function: Callable[..., Any], draw: Arguments | None) -> Callable[..., Thing]:
        name, cls = function.__name__, self.cls
        cls.factories.register(function)
        if draw is not None:
            self.draws.register(lambda draws: cls(name, draw(draws)), name)

        @wraps(function)
        def named(*arguments: Any) -> Thing:
            return cls(name, arguments)

        return named


def _argument(data: Any) -> Any:
    """An argument that may be a mask or a bias: its first item is then a kind of that class."""
    if not isinstance(data, list):
        return data
    owners = [cls for cls in Named.__subclasses__() if data and isinstance(data[0], str) and data[0] in cls.factories]
    return owners[0].from_json(data) if owners else tuple(data)

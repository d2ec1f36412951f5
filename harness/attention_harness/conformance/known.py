"""What is known about the objects of a case."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar, cast

Result = TypeVar("Result")


class Known:
    """Results by the objects that they belong to, which stay alive with them, so that no other object gets their number."""

    def __init__(self) -> None:
        self.results: dict[Hashable, tuple[object, tuple[object, ...]]] = {}

    def once(self, kind: Hashable, make: Callable[[], Result], *objects: object) -> Result:
        """The result of this kind for these objects, made if it is not known."""
        key = (kind, *map(id, objects))
        if key not in self.results:
            self.results[key] = make(), objects
        return cast(Result, self.results[key][0])

"""Results that are kept on the object that they belong to, and forgotten with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

Owner = TypeVar("Owner")
Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


def remembered(function: Callable[Concatenate[Owner, Arguments], Result]) -> Callable[Concatenate[Owner, Arguments], Result]:
    """The function of an object that does not change, worked out once for each object and its further hashable arguments.

    All callers get the same result, which they may not write to: what all properties of a case derive from its inputs is
    built once, and two that ask the same question share the answer. A result that is the object itself is no reference to it.
    """

    @wraps(function)
    def once(owner: Owner, *arguments: Any, **named: Any) -> Any:
        known = vars(owner).setdefault("_remembered", {})
        key = (function, *arguments, *named.items())
        if key not in known:
            result = function(owner, *arguments, **named)
            known[key] = None if result is owner else (result,)
        kept = known[key]
        return owner if kept is None else kept[0]

    return once

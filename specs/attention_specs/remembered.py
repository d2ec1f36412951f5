"""Results that are kept on the object that they belong to, and forgotten with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

Owner = TypeVar("Owner")
Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


def remembered(function: Callable[Concatenate[Owner, Arguments], Result]) -> Callable[Concatenate[Owner, Arguments], Result]:
    """The function of an object that does not change, worked out once for each object and its further hashable arguments.

    All callers get the same result, and none may write to it: properties that derive the same from the inputs of a case share
    it, and the answers to it. A result that is the object itself is not kept, since nothing would forget it then.
    """

    @wraps(function)
    def once(owner: Owner, /, *arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        known: dict[object, tuple[Result, ...]] = vars(owner).setdefault("_remembered", {})
        key = (function, *arguments, *named.items())
        if key not in known:
            result = function(owner, *arguments, **named)
            known[key] = () if result is owner else (result,)
        return known[key][0] if known[key] else cast(Result, owner)

    return once

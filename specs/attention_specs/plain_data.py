"""Plain data against type hints: a check of files before anything is made of them."""

from __future__ import annotations

import sys
from functools import cache
from reprlib import repr as short
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

WHOLE = 2**64 - 1
"""The largest whole number of a seed or of an array's index."""

WORDS: dict[Any, str] = {int: "a whole number", float: "a finite number", bool: "true or false", str: "text", NoneType: "null"}
WORDS |= {dict: "a mapping", list: "a list", tuple: "a list"}


def require(what: str, value: Any, hint: Any) -> None:
    """ValueError unless the value fits the type hint."""
    if not fits(value, hint):
        raise ValueError(f"{what}={short(value)}, but should be {worded(hint)}")


def fits(value: Any, hint: Any) -> bool:
    """Whether the value is of the hinted type: a list counts as a tuple, a whole number as a float, true as no number."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(fits(value, one) for one in inner)
    if origin is tuple:
        wanted = inner[:1] * len(value) if isinstance(value, list | tuple) and inner[-1] is Ellipsis else inner
        return isinstance(value, list | tuple) and len(value) == len(wanted) and all(map(fits, value, wanted))
    if hint is int:
        return type(value) is int and abs(value) <= WHOLE
    if hint is float:
        return type(value) in (int, float) and abs(value) <= sys.float_info.max
    return isinstance(value, hint)


def worded(hint: Any) -> str:
    """The type hint in words."""
    inner = get_args(hint)
    if get_origin(hint) is tuple:
        each = worded(inner[0])
        return f"a list, each {each}" if inner[-1] is Ellipsis else f"a list of {len(inner)}, each {each}"
    return " or ".join(map(worded, inner)) if inner else WORDS.get(hint, f"a {hint.__name__.lower()}")


@cache
def hints(thing: Any) -> dict[str, Any]:
    """Parameter or field -> its type."""
    return {name: hint for name, hint in get_type_hints(thing).items() if name != "return"}

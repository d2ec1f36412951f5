"""Plain data against type hints: a check of files before anything is made of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from reprlib import repr as short
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints, overload

Kind = TypeVar("Kind")

WHOLE = 2**64 - 1
"""The largest whole number of a seed or of an array's index."""

WORDS: dict[type, str] = {int: "a whole number", float: "a finite number", bool: "true or false", str: "text", NoneType: "null"}
WORDS |= {dict: "a mapping", list: "a list", tuple: "a list"}


@overload
def require(what: str, value: object, hint: type[Kind]) -> Kind: ...


@overload
def require(what: str, value: object, hint: object) -> object: ...


def require(what: str, value: object, hint: object) -> object:
    """The value, of which nothing is known before. ValueError unless it fits the type hint."""
    if not fits(value, hint):
        raise ValueError(f"{what}={short(value)}, but should be {worded(hint)}")
    return value


def fits(value: object, hint: Any) -> bool:
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
        return (type(value) is int or type(value) is float) and abs(value) <= sys.float_info.max
    return isinstance(value, hint)


def worded(hint: Any) -> str:
    """The type hint in words."""
    inner = get_args(hint)
    if get_origin(hint) is tuple:
        each = worded(inner[0])
        return f"a list, each {each}" if inner[-1] is Ellipsis else f"a list of {len(inner)}, each {each}"
    return " or ".join(map(worded, inner)) if inner else WORDS.get(hint, f"a {hint.__name__.lower()}")


@cache
def hints(thing: Callable[..., object]) -> dict[str, object]:
    """Parameter or field -> its type."""
    return {name: hint for name, hint in get_type_hints(thing).items() if name != "return"}

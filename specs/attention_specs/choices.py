"""A value out of a few: the choice that it equals, or an error that names the choices."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TypeVar

ALIKE, PERHAPS = 0.8, 0.55
"""How similar two names are, by difflib, where one is a slip of the other, and where one may stand for the other."""

Choice = TypeVar("Choice")


def nearest(name: str, among: Iterable[str], cutoff: float = PERHAPS) -> str:
    """The most similar of the names, or an empty string."""
    return next(iter(get_close_matches(name.lower(), list(among), 1, cutoff)), "")


def one_of(name: str, value: object, choices: Iterable[Choice]) -> Choice:
    """The choice that the value equals, True for 1 and "2" for 2; ValueError with the one that is meant, or all, if it equals none."""
    known = list(choices)
    for choice in known:
        if _equal(value, choice):
            return choice
    names = [str(choice) for choice in known]
    near = nearest(str(value), names, ALIKE) or f"{'one of ' if len(names) > 1 else ''}{', '.join(names)}"
    raise ValueError(f"{name}={value}, but should be {near}")


def _equal(value: object, choice: object) -> bool:
    """Whether they are equal, or read the same; an array is no choice."""
    return not getattr(value, "ndim", 0) and (bool(value == choice) or str(value) == str(choice))

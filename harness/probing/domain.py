"""What an implementation answers: the conditions under which it takes a plain call, found by asking under few of them, then more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import combinations, product
from time import monotonic
from typing import Any

from specs import masks
from specs.dtypes import DTYPES

TOGETHER = 4
"""Conditions that are met at once where nothing is known; half as many in further dtypes."""

SECONDS = 8.0
"""Time for the search."""

Condition = Callable[[Any], dict[str, Any]]


def _blocks(size: int) -> Condition:
    """Lengths rounded up to whole blocks; what was shorter stays shorter."""

    def moved(p: Any) -> dict[str, Any]:
        queries, keys = (-(-n // size) for n in (p.query_length, p.key_length))
        alike = queries == keys
        queries += alike and p.query_length > p.key_length
        keys += alike and p.query_length < p.key_length
        return {"query_length": queries * size, "key_length": keys * size}

    return moved


def _dims(size: int) -> Condition:
    return lambda p: {"head_dim": size, "value_dim": size, "d_model": size * getattr(p, "heads", 1)}


AXES: tuple[Mapping[str, Condition], ...] = (
    {"is_causal": lambda p: {"is_causal": True}},
    {f"lengths in blocks of {size}": _blocks(size) for size in (16, 64, 128)},
    {f"head_dim == {size}": _dims(size) for size in (64, 128, 32, 8)},
    {"batch == 1": lambda p: {"batch": 1}},
    {
        "one key head": lambda p: {"key_heads": 1},
        "one head": lambda p: {"query_heads": 1, "key_heads": 1, "heads": 1},
    },
    {"one query": lambda p: {"query_length": 1, "self_attention": False}},
    {"a scale": lambda p: {"scale": 0.25}, "a mask": lambda p: {"mask": p.mask or masks.everything()}},
)
"""Conditions, one of each group at most. The order is that in which they are met."""

CONDITIONS = {name: condition for axis in AXES for name, condition in axis.items()}
NEEDS = {"is_causal": "is_causal", "a scale": "scale", "a mask": "mask"}
"""Condition -> the option that it gives."""


@dataclass(frozen=True)
class Domain:
    """Names of the conditions that each call meets."""

    conditions: tuple[str, ...] = ()

    def moved(self, p: Any) -> Any:
        """The problem under the conditions. ValueError where that is none."""
        names = {field.name for field in fields(p)}
        for condition in self.conditions:
            p = replace(p, **{name: value for name, value in CONDITIONS[condition](p).items() if name in names})
        return p

    def __str__(self) -> str:
        return ", ".join(self.conditions)


def learned(answers: Callable[[str, Domain], bool], options: tuple[str, ...]) -> dict[str, Domain]:
    """Dtype -> the first domain in which a plain call is answered: few conditions before many, and those of another dtype first."""
    deadline, found = monotonic() + SECONDS, dict[str, Domain]()
    for domain in _guesses(options, TOGETHER):
        found = {dtype: domain for dtype in DTYPES if answers(dtype, domain)}
        if found or monotonic() > deadline:
            break
    for dtype in DTYPES if found else ():
        guesses = (guess for guess in _guesses(options, TOGETHER // 2) if monotonic() < deadline)
        first = None if dtype in found else next((guess for guess in guesses if answers(dtype, guess)), None)
        found |= {} if first is None else {dtype: first}
    return found


def _guesses(options: tuple[str, ...], most: int) -> Iterator[Domain]:
    """No conditions, one, two and so on, without those whose option is not in the signature."""
    able = [[name for name in axis if NEEDS.get(name) in (None, *options)] for axis in AXES]
    for number in range(most + 1):
        for chosen in combinations(able, number):
            yield from map(Domain, product(*chosen))

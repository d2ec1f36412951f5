"""A sweep: a file that stands for many workloads, in which one field takes one value after the other.

`[sweep]` names that field and its values. `[variants]` names sweeps over the same values with other fields beside; without it
there is one. `tokens` sets the batch so that batch * query_length stays the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan

from attention_specs.attention.problem import Problem
from attention_specs.formats import numpy_dtype

TOGETHER = {
    "length": ("query_length", "key_length"),
    "heads": ("query_heads", "key_heads"),
    "head_dim": ("head_dim", "value_dim"),
}
"""Names that set two fields at once."""
SIZES = ("batch", "query_heads", "key_heads", "query_length", "key_length", "head_dim", "value_dim")


@dataclass(frozen=True)
class Member:
    """The own fields of one workload of a file, as in Workload."""

    name: str
    problem: Problem
    sweep: str = ""
    varied: str = ""
    value: float = nan


def members(name: str, data: Mapping[str, object]) -> list[Member]:
    """The workloads of a file, one where it has no sweep. Raises ValueError or TypeError."""
    if "sweep" not in data:
        if without := [key for key in ("tokens", "variants") if key in data]:
            raise ValueError(f"{without[0]}={data[without[0]]}, but should only be there with a table [sweep]")
        return [Member(name, _problem(_table(data["problem"])))]
    varied, values = _swept(data["sweep"])
    base, tokens = _table(data["problem"]), data.get("tokens")
    return [
        Member(
            name=f"{sweep}-{_word(value)}",
            problem=_problem({**base, **_together(changes), **_together({varied: value})}, tokens),
            sweep=sweep,
            varied=varied,
            value=float(value) if isinstance(value, int | float) else nan,
        )
        for variant, changes in _variants(data.get("variants", {"": {}}))
        for sweep in [f"{name}-{variant}" if variant else name]
        for value in values
    ]


def _table(problem: object) -> dict[str, object]:
    if not isinstance(problem, dict):
        raise ValueError(f"problem={problem}, but should be a table")
    return problem


def _swept(table: object) -> tuple[str, list[object]]:
    """The field that varies, and its values."""
    field, values = next(iter(table.items())) if isinstance(table, dict) and len(table) == 1 else ("", None)
    if not isinstance(values, list) or not values:
        raise ValueError(f"sweep={table}, but should be a table with one field and a list of its values")
    if len({_word(value) for value in values}) < len(values):
        raise ValueError(f"sweep of {field}={values}, but should be of different values")
    return field, values


def _variants(table: object) -> list[tuple[str, dict[str, object]]]:
    if not isinstance(table, dict) or not table or not all(isinstance(changes, dict) for changes in table.values()):
        raise ValueError(f"variants={table}, but should be a table with a table of fields for each name")
    return list(table.items())


def _together(fields: Mapping[str, object]) -> dict[str, object]:
    return {own: value for name, value in fields.items() for own in TOGETHER.get(name, (name,))}


def _problem(fields: dict[str, object], tokens: object = None) -> Problem:
    for name in SIZES:
        _size(name, fields.get(name, 1))
    problem = Problem.from_json(fields)
    numpy_dtype(problem.dtype)  # ValueError for one unknown
    if tokens is None:
        return problem
    batch, rest = divmod(_size("tokens", tokens), problem.query_length)
    if rest:
        raise ValueError(f"tokens={tokens}, but should be a multiple of query_length={problem.query_length}")
    return replace(problem, batch=batch)


def _size(name: str, size: object) -> int:
    """The size; ValueError unless it is a whole number above 0."""
    if type(size) is not int or size < 1:
        raise ValueError(f"{name}={size}, but should be a whole number above 0")
    return size


def _word(value: object) -> str:
    """A value as part of a name."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "x".join(_word(one) for one in value)
    return str(value).lower()

"""A sweep: a file that stands for many workloads, in which one field takes one value after the other.

`[sweep]` names that field and its values. `[variants]` names sweeps over the same values with other fields beside; without it
there is one. `tokens` sets the batch so that batch * query_length stays the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import nan
from typing import Any

from attention_specs.attention.problem import Problem
from attention_specs.formats import numpy_dtype

TOGETHER = {
    "length": ("query_length", "key_length"),
    "heads": ("query_heads", "key_heads"),
    "head_dim": ("head_dim", "value_dim"),
}
"""Names that set two fields at once."""
SIZES = ("batch", "query_heads", "key_heads", "query_length", "key_length", "head_dim", "value_dim")


def members(name: str, data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The own fields of the workloads of a file: name, sweep, varied, value, problem. Raises ValueError or TypeError."""
    if "sweep" not in data:
        if without := [key for key in ("tokens", "variants") if key in data]:
            raise ValueError(f"{without[0]}={data[without[0]]}, but should only be there with a table [sweep]")
        return [{"name": name, "problem": _problem(data["problem"])}]
    varied, values = _swept(data["sweep"])
    common = {"varied": varied, "base": data["problem"], "tokens": data.get("tokens")}
    return [
        _member(f"{name}-{variant}" if variant else name, changes, value, **common)
        for variant, changes in _variants(data.get("variants", {"": {}}))
        for value in values
    ]


def _member(sweep: str, changes: dict[str, Any], value: Any, varied: str, base: dict[str, Any], tokens: Any) -> dict[str, Any]:
    problem = _problem({**base, **_together(changes), **_together({varied: value})}, tokens)
    number = float(value) if isinstance(value, int | float) else nan
    return {"name": f"{sweep}-{_word(value)}", "sweep": sweep, "varied": varied, "value": number, "problem": problem}


def _swept(table: Any) -> tuple[str, list[Any]]:
    """The field that varies, and its values."""
    field, values = next(iter(table.items())) if isinstance(table, dict) and len(table) == 1 else ("", None)
    if not isinstance(values, list) or not values:
        raise ValueError(f"sweep={table}, but should be a table with one field and a list of its values")
    if len({_word(value) for value in values}) < len(values):
        raise ValueError(f"sweep of {field}={values}, but should be of different values")
    return field, values


def _variants(table: Any) -> list[tuple[str, dict[str, Any]]]:
    if not isinstance(table, dict) or not table or not all(isinstance(changes, dict) for changes in table.values()):
        raise ValueError(f"variants={table}, but should be a table with a table of fields for each name")
    return list(table.items())


def _together(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {own: value for name, value in fields.items() for own in TOGETHER.get(name, (name,))}


def _problem(fields: dict[str, Any], tokens: Any = None) -> Problem:
    _above_zero({name: fields[name] for name in SIZES if name in fields})
    problem = Problem.from_json(fields)
    numpy_dtype(problem.dtype)  # ValueError for one unknown
    if tokens is None:
        return problem
    _above_zero({"tokens": tokens})
    if tokens % problem.query_length:
        raise ValueError(f"tokens={tokens}, but should be a multiple of query_length={problem.query_length}")
    return replace(problem, batch=tokens // problem.query_length)


def _above_zero(sizes: Mapping[str, Any]) -> None:
    for name, size in sizes.items():
        if type(size) is not int or size < 1:
            raise ValueError(f"{name}={size}, but should be a whole number above 0")


def _word(value: Any) -> str:
    """A value as part of a name."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "x".join(_word(one) for one in value)
    return str(value).lower()

"""Conditions under which implementations answer that refuse other problems: whole blocks, one head dim, one query and the like."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import combinations, product

from attention_specs import masks
from attention_specs.attention.problem import Problem
from attention_specs.case import Question

Condition = Callable[[Question], dict[str, object]]
"""The fields of a problem that meets it."""


def lengths(queries: int, keys: int) -> dict[str, object]:
    """Other lengths, without the options that count in the old ones."""
    return {"query_length": queries, "key_length": keys, **dict.fromkeys(("query_lengths", "key_lengths", "past"))}


def _blocks(size: int) -> Condition:
    """Lengths rounded up to whole blocks; the shorter one stays shorter."""

    def moved(p: Question) -> dict[str, object]:
        queries, keys = (-(-n // size) for n in (p.query_length, p.key_length))
        alike = queries == keys
        queries += alike and p.query_length > p.key_length
        keys += alike and p.query_length < p.key_length
        return lengths(queries * size, keys * size)

    return moved


def _dims(size: int) -> Condition:
    return lambda p: {"head_dim": size, "value_dim": size, "d_model": size * getattr(p, "heads", 1)}


AXES: tuple[Mapping[str, Condition], ...] = (
    {"is_causal": lambda p: {"is_causal": True}},
    {f"lengths in blocks of {size}": _blocks(size) for size in (16, 64, 128)},
    {f"head_dim == {size}": _dims(size) for size in (64, 128, 32, 8)},
    {"batch == 1": lambda p: {**lengths(p.query_length, p.key_length), "batch": 1}},
    {
        "one key head": lambda p: {"key_heads": min(p.query_heads, 1)} if isinstance(p, Problem) else {},
        "one head": lambda p: {"query_heads": 1, "key_heads": 1 if isinstance(p, Problem) else None, "heads": 1},
    },
    {"one query": lambda p: {**lengths(1, p.key_length), "self_attention": False}},
    {"a scale": lambda p: {"scale": 0.25}, "a mask": lambda p: {"mask": p.mask or masks.everything()}},
)
"""Conditions, one of each group at most. The order is that in which they are met."""

AS_DECLARED = {
    "is_causal": "is_causal == True",
    **{f"lengths in blocks of {size}": f"lengths % {size} == 0" for size in (16, 64, 128)},
    **{f"head_dim == {size}": f"dims == {size}" for size in (64, 128, 32, 8)},
    "batch == 1": "batch == 1",
    "one key head": "key_heads == 1",
    "one head": "heads == 1",
    "one query": "query_length == 1",
}
"""Condition -> as a declared domain has it; the others depend on options that a call may have."""

NEEDS = {"is_causal": "is_causal", "a scale": "scale", "a mask": "mask"}
"""Condition -> the option that it gives."""


def meeting(p: Question, condition: Condition) -> Question:
    """The problem under the condition, as far as it has such fields. ValueError where the result is no problem."""
    names = {field.name for field in fields(p)}
    return p.replace(**{name: value for name, value in condition(p).items() if name in names})


def of_different_groups(groups: Sequence[Sequence[str] | Mapping[str, Condition]], number: int) -> Iterator[tuple[str, ...]]:
    """So many conditions at once, no two out of one group."""
    for some in combinations(groups, number):
        yield from product(*some)

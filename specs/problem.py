"""A problem: one question to an attention, without arrays; and a case: a problem with the way its values are made."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from math import prod
from reprlib import repr as short
from typing import Any, ClassVar, Self

from specs.biases import Bias
from specs.masks import Mask
from specs.plain import hints, require

Window = tuple[int | None, int | None]


@dataclass(frozen=True)
class Question:
    """What the problems of all specs share: plain data in both directions, and options by name. Subclasses are dataclasses."""

    spec: ClassVar[str]
    sizes: ClassVar[int]
    """Leading fields that every problem has; those behind them are options."""

    def to_json(self) -> dict[str, Any]:
        """Plain data; fields that have their default are left out."""
        data = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return {name: value.to_json() if isinstance(value, Mask | Bias) else value for name, value in data.items()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_json`; ValueError for unknown fields and for values of another type."""
        require("problem", data, dict)
        unknown = set(data) - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"problem has {', '.join(sorted(unknown))}, but should have only the fields of {cls.__name__}")
        found = {name: _field(name, value) for name, value in data.items()}
        owner: Any = cls
        for name, value in found.items():
            require(name, value, hints(owner)[name])
        return cls(**found)

    def options(self) -> list[str]:
        """The options that are given, as `name=value`."""
        given = fields(self)[self.sizes :]
        return [f"{f.name}={getattr(self, f.name)}" for f in given if getattr(self, f.name) != f.default]


@dataclass(frozen=True)
class Problem(Question):
    """Sizes, dtype and options. Options mean what `attention.md` says; None means "not given"."""

    spec: ClassVar[str] = "attention"
    sizes: ClassVar[int] = 8

    batch: int = 1
    query_heads: int = 1
    key_heads: int = 1
    query_length: int = 1
    key_length: int = 1
    head_dim: int = 1
    value_dim: int = 1
    dtype: str = "float32"
    mask: Mask | None = None
    bias: Bias | None = None
    is_causal: bool = False
    window: Window | None = None
    scale: float | None = None
    softcap: float | None = None
    sinks: float | None = None
    query_lengths: tuple[int, ...] | None = None
    key_lengths: tuple[int, ...] | None = None
    past: int | None = None
    """So many of the keys come first, from a cache: query i stands at position past + i."""

    def __post_init__(self) -> None:
        if not 0 <= (self.past or 0) <= self.key_length:
            raise ValueError(f"past={self.past}, but should be at most key_length={self.key_length}")
        if self.key_heads and self.query_heads % self.key_heads:
            raise ValueError(f"query_heads={self.query_heads}, but should be a multiple of key_heads={self.key_heads}")

    @property
    def score_shape(self) -> tuple[int, int, int, int]:
        """[batch, query heads, query length, key length]."""
        return self.batch, self.query_heads, self.query_length, self.key_length

    @property
    def numbers(self) -> int:
        """Elements of the largest of q, k, v and the output."""
        rows = max(self.query_heads * self.query_length, self.key_heads * self.key_length)
        return self.batch * rows * max(self.head_dim, self.value_dim)

    @property
    def products(self) -> int:
        """Multiplications of the two matrix products."""
        return prod(self.score_shape) * (self.head_dim + self.value_dim)

    def __str__(self) -> str:
        heads = f"Hq={self.query_heads} Hkv={self.key_heads}"
        sizes = f"B={self.batch} {heads} Lq={self.query_length} Lk={self.key_length} D={self.head_dim} Dv={self.value_dim}"
        return " ".join([sizes, self.dtype, *self.options()])


NAMED: dict[str, type[Mask | Bias]] = {"mask": Mask, "bias": Bias}


def _field(name: str, value: Any) -> Any:
    if name in NAMED and value is not None:
        return NAMED[name].from_json(value)
    return tuple(value) if isinstance(value, list) else value


PROBLEMS: dict[str, Any] = {Problem.spec: Problem}
"""Spec -> its class of problems."""


@dataclass(frozen=True)
class Case:
    """A problem, the recipe and seed of its values, and how its arrays lie in memory (argument name -> layout name).

    `arrays` holds what is known number by number, as nested lists: arguments that stand for those of the recipe, and the
    answers "out" and "weights" of another source.
    """

    problem: Any
    recipe: str = "normal"
    seed: int = 0
    layouts: dict[str, str] = field(default_factory=dict)
    arrays: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain data, from which `from_json` makes the same case again."""
        own = {"spec": self.problem.spec, "problem": self.problem.to_json()}
        values = {"recipe": self.recipe, "seed": self.seed, "layouts": dict(self.layouts)}
        return own | values | ({"arrays": self.arrays} if self.arrays else {})

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Case:
        """The inverse of `to_json`; ValueError for what is missing or of another type."""
        require("case", data, dict)
        spec = data.get("spec")
        if not isinstance(spec, str) or spec not in PROBLEMS:
            raise ValueError(f"spec={short(spec)}, but should be one of {', '.join(PROBLEMS)}")
        values: dict[str, Any] = {"arrays": {}} | {
            name: data.get(name) for name in ("recipe", "seed", "layouts", "arrays") if name in data
        }
        for name, kind in (("recipe", str), ("seed", int), ("layouts", dict), ("arrays", dict)):
            require(name, values.get(name), kind)
        return cls(PROBLEMS[spec].from_json(data.get("problem")), **values)

    @cached_property
    def id(self) -> str:
        """Twelve hexadecimal digits that name this case."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:12]

    def with_problem(self, **changes: Any) -> Case:
        """The same case of a problem with other fields."""
        return replace(self, problem=replace(self.problem, **changes))

    def __str__(self) -> str:
        layouts = [f"{name}:{layout}" for name, layout in self.layouts.items()]
        values = [f"given={','.join(self.arrays)}"] if self.arrays else [f"recipe={self.recipe}", f"seed={self.seed}"]
        return " ".join([str(self.problem), *values, *layouts])

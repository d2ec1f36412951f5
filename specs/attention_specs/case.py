"""The base of all specs' problems, and a case: a problem with the recipe of its values."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from reprlib import repr as short
from typing import ClassVar, Self

from attention_specs.biases import Bias
from attention_specs.masks import Mask
from attention_specs.plain_data import hints, require
from attention_specs.registry import SPECS, part


@dataclass(frozen=True)
class Question(ABC):
    """The base of all specs' problems: plain data in both directions, and options by name. Subclasses are dataclasses.

    The abstract names are fields or properties of each; each spec has more sizes and options of its own.
    """

    spec: ClassVar[str]
    sizes: ClassVar[int]
    """Leading fields that every problem has; those behind them are options."""

    @property
    @abstractmethod
    def batch(self) -> int:
        """Its entries."""

    @property
    @abstractmethod
    def query_length(self) -> int:
        """Queries of each entry."""

    @property
    @abstractmethod
    def key_length(self) -> int:
        """Keys of each entry."""

    @property
    @abstractmethod
    def head_dim(self) -> int:
        """Dimension of each head."""

    @property
    @abstractmethod
    def dtype(self) -> str:
        """Name of the dtype of the arrays."""

    @property
    @abstractmethod
    def mask(self) -> Mask | None:
        """The keys that each query may see."""

    @property
    @abstractmethod
    def score_shape(self) -> tuple[int, int, int, int]:
        """[batch, query heads, query length, key length]."""

    @property
    @abstractmethod
    def numbers(self) -> int:
        """Elements of the largest array."""

    @property
    @abstractmethod
    def products(self) -> int:
        """Multiplications of the matrix products."""

    def to_json(self) -> dict[str, object]:
        """Plain data; fields that have their default are left out."""
        data = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return {name: value.to_json() if isinstance(value, Mask | Bias) else value for name, value in data.items()}

    @classmethod
    def from_json(cls, data: object) -> Self:
        """The inverse of `to_json`; ValueError for unknown fields and for values of another type."""
        given: dict[str, object] = require("problem", data, dict)
        unknown = set(given) - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"problem has {', '.join(sorted(unknown))}, but should have only the fields of {cls.__name__}")
        values = {name: _field(name, value) for name, value in given.items()}
        for name, value in values.items():
            require(name, value, hints(cls)[name])
        return cls(**values)

    def replace(self, **changes: object) -> Self:
        """The same problem with other fields. ValueError where that is no problem."""
        return replace(self, **changes)

    def options(self) -> list[str]:
        """The options that are given, as `name=value`."""
        given = fields(self)[self.sizes :]
        return [f"{f.name}={getattr(self, f.name)}" for f in given if getattr(self, f.name) != f.default]


NAMED: dict[str, type[Mask | Bias]] = {"mask": Mask, "bias": Bias}


def _field(name: str, value: object) -> object:
    if name in NAMED and value is not None:
        return NAMED[name].from_json(value)
    return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True)
class Case:
    """A problem, the recipe and seed of its values, and how its arrays lie in memory (argument name -> layout name).

    `arrays` has numbers as nested lists: arguments that replace those of the recipe, and the answers "out" and "weights" of
    another source.
    """

    problem: Question
    recipe: str = "normal"
    seed: int = 0
    layouts: dict[str, str] = field(default_factory=dict)
    arrays: dict[str, object] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Plain data, from which `from_json` makes the same case again."""
        own = {"spec": self.problem.spec, "problem": self.problem.to_json()}
        values = {"recipe": self.recipe, "seed": self.seed, "layouts": dict(self.layouts)}
        return own | values | ({"arrays": self.arrays} if self.arrays else {})

    @classmethod
    def from_json(cls, data: object) -> Case:
        """The inverse of `to_json`; ValueError for a missing value, or one of another type."""
        given: dict[str, object] = require("case", data, dict)
        spec = given.get("spec")
        if not isinstance(spec, str) or spec not in SPECS:
            raise ValueError(f"spec={short(spec)}, but should be one of {', '.join(SPECS)}")
        recipe, seed = require("recipe", given.get("recipe"), str), require("seed", given.get("seed"), int)
        layouts, arrays = require("layouts", given.get("layouts"), dict), require("arrays", given.get("arrays", {}), dict)
        return cls(part(spec, "spec").Problem.from_json(given.get("problem")), recipe, seed, layouts, arrays)

    @cached_property
    def id(self) -> str:
        """Twelve hexadecimal digits that name this case.

        A case without an option that a signature lacks is another question, and has an id of its own.
        """
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:12]

    def with_problem(self, **changes: object) -> Case:
        """The same case of a problem with other fields."""
        return replace(self, problem=self.problem.replace(**changes))

    def __str__(self) -> str:
        layouts = [f"{name}:{layout}" for name, layout in self.layouts.items()]
        values = [f"given={','.join(self.arrays)}"] if self.arrays else [f"recipe={self.recipe}", f"seed={self.seed}"]
        return " ".join([str(self.problem), *values, *layouts])

"""The suite of a run: vectors, the worked example and the edge cases first, then the cases that are drawn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from random import Random
from typing import TypeVar, overload

from attention_harness.frameworks import installed
from attention_harness.generation.edge_cases import EDGE_CASES
from attention_harness.generation.shapes import BUDGET
from attention_harness.generation.vectors import Vector, files, onnx_cases
from attention_specs.case import Case
from attention_specs.stopwatch import timed
from attention_specs.worked_example import CASES

Thing = TypeVar("Thing")

SUITES_PER_SIZE, DOUBLINGS = 10, 6
"""Of a check that goes on: after so many suites the problems may have twice the scores, so many times."""

SHAPES = 24
"""Shapes of a run: enough to visit every region of `shapes`, few enough to compile."""


@dataclass(frozen=True)
class Suite:
    """The cases of a run for one spec, in the order in which they are asked."""

    vectors: Sequence[Vector] = ()
    examples: Sequence[Case] = ()
    """The worked example."""
    edge_cases: Sequence[Case] = ()
    drawn: Sequence[Case] = ()

    @property
    def cases(self) -> list[Case]:
        """All cases but the vectors."""
        return [*self.examples, *self.edge_cases, *self.drawn]

    def __len__(self) -> int:
        return len(self.vectors) + len(self.cases)


class Later(Sequence[Thing]):
    """Things that are made when one is first looked at. Another process gets the way to make them."""

    def __init__(self, make: Callable[[], Sequence[Thing]]) -> None:
        self.make = make

    @cached_property
    def made(self) -> Sequence[Thing]:
        """All of them."""
        return timed("drawing")(self.make)()

    @overload
    def __getitem__(self, place: int) -> Thing: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Thing]: ...
    def __getitem__(self, place: int | slice) -> Thing | Sequence[Thing]:
        return self.made[place]

    def __len__(self) -> int:
        return len(self.made)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[object, ...]:
        return Later, (self.make,)


def draw_suite(
    count: int, seed: int, dtypes: Collection[str], vectors: Sequence[Vector] = (), scores: int = BUDGET
) -> dict[str, Suite]:
    """Spec -> its suite: these vectors, the worked example, the edge cases, then `count` cases that are drawn from the seed.

    They are drawn when they are first looked at: a check asks the edge cases before. They have so many scores at most.
    """
    return {
        spec: Suite(
            vectors=Later(partial(_of_spec, spec, vectors)),
            examples=CASES[spec],
            edge_cases=[case for case in EDGE_CASES[spec] if case.problem.dtype in dtypes],
            drawn=Later(partial(_drawn, spec, count, seed, tuple(dtypes), scores)),
        )
        for spec in CASES
    }


@lru_cache(maxsize=2)
def further_suite(number: int, count: int, seed: int, dtypes: tuple[str, ...]) -> dict[str, Suite]:
    """The suite of a check that goes on, number 1 being the first behind the standard one: that of another seed, with larger
    problems as time goes on. Implementations that go side by side share it."""
    return draw_suite(count, seed + number, dtypes, scores=BUDGET << min(number // SUITES_PER_SIZE, DOUBLINGS))


def _of_spec(spec: str, vectors: Sequence[Vector]) -> list[Vector]:
    return [vector for vector in vectors if vector.case.problem.spec == spec]


def _drawn(spec: str, count: int, seed: int, dtypes: Collection[str], scores: int) -> list[Case]:
    from attention_harness.generation import layer_strategies, merge_strategies, shapes, strategies  # hypothesis takes its time
    from attention_harness.generation.sampling import draw

    if spec == "attention":
        return draw(strategies.balanced(shapes.pool(seed, SHAPES, scores), dtypes), count, seed)
    if spec == "merge":
        return draw(merge_strategies.balanced(dtypes), count, seed)
    return draw(layer_strategies.balanced(layer_strategies.layer_shape_pool(Random(seed), SHAPES), dtypes), count, seed)


def vectors(properties: Collection[str]) -> list[Vector]:
    """Recorded failures, then published cases: those for the wanted properties, or all if none is named."""
    wanted = set(properties)
    published = onnx_cases.vectors() if not wanted or wanted & set(onnx_cases.PROPERTIES) else []
    return [v for v in (*files.vectors(), *published) if not wanted or wanted & set(v.properties)]


def absent() -> dict[str, str]:
    """Property -> why this run has no case for it."""
    return dict.fromkeys(onnx_cases.PROPERTIES, reason) if (reason := installed("onnx")) else {}

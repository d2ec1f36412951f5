"""The suite of a run: vectors, the worked example and the edge cases first, then the cases that are drawn."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random

from attention_harness.frameworks import installed
from attention_harness.generation.edge_cases import EDGE_CASES
from attention_harness.generation.vectors import Vector, files, onnx_cases
from attention_specs.case import Case
from attention_specs.worked_example import CASES

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


def draw_suite(count: int, seed: int, dtypes: Collection[str], vectors: Sequence[Vector] = ()) -> dict[str, Suite]:
    """Spec -> its suite: these vectors, the worked example, the edge cases, then `count` cases that are drawn from the seed."""
    from attention_harness.generation import layer_strategies, shapes, strategies  # with Hypothesis: 0.15 s
    from attention_harness.generation.sampling import draw

    pools = {
        "attention": strategies.balanced(shapes.pool(seed, SHAPES), dtypes),
        "multi-head": layer_strategies.balanced(layer_strategies.layer_shape_pool(Random(seed), SHAPES), dtypes),
    }
    return {
        spec: Suite(
            vectors=[vector for vector in vectors if vector.case.problem.spec == spec],
            examples=CASES[spec],
            edge_cases=[case for case in EDGE_CASES[spec] if case.problem.dtype in dtypes],
            drawn=draw(pool, count, seed),
        )
        for spec, pool in pools.items()
    }


def vectors(properties: Collection[str]) -> list[Vector]:
    """Recorded failures, then published cases: those for the wanted properties, or all if none is named."""
    wanted = set(properties)
    published = onnx_cases.vectors() if not wanted or wanted & set(onnx_cases.PROPERTIES) else []
    return [v for v in (*files.vectors(), *published) if not wanted or wanted & set(v.properties)]


def absent() -> dict[str, str]:
    """Property -> why this run has no case for it."""
    return dict.fromkeys(onnx_cases.PROPERTIES, reason) if (reason := installed("onnx")) else {}

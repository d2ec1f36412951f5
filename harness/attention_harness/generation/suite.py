"""The cases of a run: vectors and named ones first, then those that are drawn."""

from __future__ import annotations

from collections.abc import Collection
from random import Random

from attention_harness.frameworks import installed
from attention_harness.generation import layer_strategies, shapes
from attention_harness.generation import strategies as cases
from attention_harness.generation.edge_cases import EDGE_CASES
from attention_harness.generation.sampling import draw
from attention_harness.generation.vectors import Vector, files, onnx_cases
from attention_specs.case import Case
from attention_specs.worked_example import CASES

SHAPES = 24
"""Shapes of a run: enough to visit every region of `shapes`, few enough to compile."""


def draw_suite(count: int, seed: int, dtypes: Collection[str]) -> dict[str, list[Case]]:
    """Spec -> its cases: the worked example, the corners, then `count` that are drawn from the seed."""
    drawn = {
        "attention": cases.balanced(shapes.pool(seed, SHAPES), dtypes),
        "multi-head": layer_strategies.balanced(layer_strategies.layer_shape_pool(Random(seed), SHAPES), dtypes),
    }
    edge_cases = {spec: [case for case in found if case.problem.dtype in dtypes] for spec, found in EDGE_CASES.items()}
    return {spec: [*CASES.get(spec, []), *edge_cases[spec], *draw(strategies, count, seed)] for spec, strategies in drawn.items()}


def vectors(properties: Collection[str]) -> list[Vector]:
    """Failures that were found once, then published cases: those for the wanted properties, or all if none is named."""
    wanted = set(properties)
    published = onnx_cases.vectors() if not wanted or wanted & set(onnx_cases.PROPERTIES) else []
    return [v for v in (*files.found(), *published) if not wanted or wanted & set(v.properties)]


def absent() -> dict[str, str]:
    """Property -> why this run has no case for it."""
    return dict.fromkeys(onnx_cases.PROPERTIES, reason) if (reason := installed("onnx")) else {}

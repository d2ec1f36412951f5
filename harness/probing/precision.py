"""How it rounds: the tightest model whose bound all outputs keep, in each dtype."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.measuring import Measured
from harness.probing.experiments import Found, experiment
from harness.probing.lab import Lab
from specs.precision import held_to

SHAPES: tuple[dict[str, Any], ...] = (
    {"queries": 16, "keys": 16, "dim": 64}, {"queries": 24, "keys": 200, "dim": 32}, {"batch": 1, "queries": 64, "keys": 64, "dim": 64},
)  # fmt: skip
RECIPES = ("normal", "steep", "peaked", "positive_values", "one_hot_values", "heavy_tails", "rising", "flat")
"""Rounded scores show where scores are large (steep, peaked, rising); rounded weights where values do not cancel (positive_values)."""
LAYER_RECIPES = ("normal", "steep", "positive_values", "uniform", "loud_heads", "identity_projections")


@experiment(layers=True)
def precision(lab: Lab) -> Iterator[Found]:
    """Each dtype by itself."""
    for dtype in lab.dtypes:
        measured = Measured(dtype, held_to(lab.subject.description.precision, dtype))
        for x, out in lab.answers(_cases(lab, dtype)):
            measured.add(x, out, lab.expected(x))
        refuted = not measured.keeps(measured.declared)
        yield Found(f"precision {dtype}", measured.tightest, measured.evidence(), "precision", refuted=refuted)


def _cases(lab: Lab, dtype: str) -> Iterator[Any]:
    recipes = LAYER_RECIPES if lab.layer else RECIPES
    for shape in SHAPES:
        yield from (lab.x(dtype=dtype, recipe=recipe, number=n, **shape) for n, recipe in enumerate(recipes))

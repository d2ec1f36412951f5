"""How it rounds: the tightest model whose bound all outputs keep, in each dtype."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.probing.experiments import Found, experiment
from harness.probing.lab import Lab
from specs.dtypes import numpy_dtype
from specs.judge import error_ratios
from specs.precision import default_model

MODELS = {
    "float64": ("exact", "computed-in-float32"),
    "float32": ("exact", "tf32-inputs"),
    "bfloat16": ("exact", "weights-rounded", "scores-rounded"),
    "float16": ("exact", "weights-rounded", "scores-rounded"),
}
"""Models that differ in a dtype, from the tightest on; of those that are the same there, the default is named."""

SHAPES: tuple[dict[str, Any], ...] = (
    {"queries": 16, "keys": 16, "dim": 64}, {"queries": 24, "keys": 200, "dim": 32}, {"batch": 1, "queries": 64, "keys": 64, "dim": 64},
)  # fmt: skip
RECIPES = ("normal", "steep", "peaked", "positive_values", "one_hot_values", "heavy_tails", "rising", "flat")
"""Rounded scores show where scores are large (steep, peaked, rising); rounded weights where values do not cancel (positive_values)."""
LAYER_RECIPES = ("normal", "steep", "positive_values", "uniform", "loud_heads", "identity_projections")


@dataclass
class Measured:
    """What all cases of a dtype gave: errors in units of each model's bound, and of the error of a plain 16-bit run."""

    ratios: dict[str, list[np.ndarray]] = field(default_factory=dict)
    beside_eager: list[float] = field(default_factory=list)
    cases: int = 0

    def add(self, lab: Lab, x: Any, out: np.ndarray, models: tuple[str, ...]) -> None:
        """One more case."""
        self.cases += 1
        for model in models:
            expected = lab.expected(x, model)
            seen = ~expected.exact.empty
            ratios = error_ratios(out, expected.out, expected.bounds.out)[seen]
            self.ratios.setdefault(model, []).append(ratios.ravel())
        if not lab.layer and x.dtype != "float64":
            self.beside_eager.append(_beside_eager(x, out, expected.out))

    def quantiles(self, model: str) -> tuple[float, float, float]:
        """Median, 99 % and maximum of error / bound."""
        ratios = np.concatenate(self.ratios[model])
        with np.errstate(invalid="ignore"):
            half, most = np.quantile(ratios, [0.5, 0.99], method="higher")
        return float(half), float(most), float(ratios.max())

    def keeps(self, model: str) -> bool:
        """Whether no element breaks the bound of the model."""
        return self.quantiles(model)[2] <= 1

    def evidence(self) -> str:
        """Quantiles by model, and the factor that users of flash-attention look at."""
        table = "; ".join(f"{model} {'/'.join(f'{q:.2g}' for q in self.quantiles(model))}" for model in self.ratios)
        beside = f"; largest error {np.max(self.beside_eager):.2g} times eager's" if self.beside_eager else ""
        return f"{self.cases} cases, error/bound 50 %/99 %/max: {table}{beside}"


@experiment(layers=True)
def precision(lab: Lab) -> Iterator[Found]:
    """Each dtype by itself."""
    for dtype in lab.dtypes:
        declared = lab.subject.description.precision.get(dtype, default_model(dtype))
        models = MODELS[dtype]
        looked_at = models if declared in models else (*models, declared)
        measured = Measured()
        for x, out in lab.answers(_cases(lab, dtype)):
            measured.add(lab, x, out, looked_at)
        value = next((model for model in models if measured.keeps(model)), None)
        yield Found(f"precision {dtype}", value, measured.evidence(), "precision", refuted=not measured.keeps(declared))


def _cases(lab: Lab, dtype: str) -> Iterator[Any]:
    recipes = LAYER_RECIPES if lab.layer else RECIPES
    for shape in SHAPES:
        yield from (lab.x(dtype=dtype, recipe=recipe, number=n, **shape) for n, recipe in enumerate(recipes))


def _beside_eager(x: Any, out: np.ndarray, exact: np.ndarray) -> float:
    """Largest error as a multiple of that of attention with every step stored in the dtype."""
    stored, exact = numpy_dtype(x.dtype), exact.astype(np.float64)
    scores = _stored(_stored(x.q, stored) @ _stored(x.k, stored).swapaxes(-1, -2) / np.sqrt(np.float32(x.q.shape[3])), stored)
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    eager = _stored(_stored(powers / powers.sum(-1, keepdims=True), stored) @ _stored(x.v, stored), stored)
    return float(np.abs(out.astype(np.float64) - exact).max() / np.abs(eager - exact).max())


def _stored(a: np.ndarray, dtype: np.dtype) -> np.ndarray:
    rounded: np.ndarray = a.astype(dtype).astype(np.float32)
    return rounded

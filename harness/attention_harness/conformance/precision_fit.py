"""The precision of a run's answers: error / bound under each model that could be declared, and beside an eager run.

The report and `probe` say by this which model is the tightest that an implementation meets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from attention_harness.conformance.records import PrecisionRow
from attention_specs.attention.inputs import Inputs as AttentionInputs
from attention_specs.attention.oracle import default_scale, softmax
from attention_specs.contract import Description
from attention_specs.formats import numpy_dtype
from attention_specs.judge import error_ratios
from attention_specs.precision import Units, candidates, named_precision, stores_eight_bits, stores_products
from attention_specs.spec import Bounds, Expected, Inputs

EDGES = 10.0 ** np.arange(-8, 8, 0.05)
"""Quantiles are exact to a twentieth of a decade, so that any number of elements takes no memory; below the first they are 0."""
LEVELS = np.array([0.0, *EDGES[1:], np.inf])
FEW = 4
"""Keys and channels of which sums add too few terms to be off by more than the rounding of scores."""


@dataclass
class Ratios:
    """Counts of error / bound, and the largest."""

    counts: np.ndarray = field(default_factory=lambda: np.zeros(EDGES.size + 1, np.int64))
    worst: float = 0.0

    def add(self, ratios: np.ndarray) -> None:
        """Any number of elements; NaN counts as infinite."""
        ratios = np.nan_to_num(ratios.ravel(), nan=np.inf, posinf=np.inf)
        self.counts += np.bincount(np.searchsorted(EDGES, ratios), minlength=self.counts.size)
        self.worst = max(self.worst, float(ratios.max(initial=0)))

    def join(self, other: Ratios) -> None:
        """Adds those that another has counted."""
        self.counts += other.counts
        self.worst = max(self.worst, other.worst)

    def quantile(self, share: float) -> float:
        """A number that this share of the elements does not exceed."""
        place = int(np.searchsorted(np.cumsum(self.counts), share * self.counts.sum()))
        return min(float(LEVELS[place]), self.worst)


@dataclass
class PrecisionFit:
    """The ratios of all cases of a dtype, under the models that differ in it and the declared one."""

    dtype: str
    declared: str
    overflows: bool = False
    """Whether products were seen to overflow before they are scaled; it may also be declared."""
    few_bits: bool = False
    """Whether the cases tell sums of 14 bits from others."""
    cases: int = 0
    eager_factors: list[float] = field(default_factory=list)
    ratios: dict[str, Ratios] = field(default_factory=dict)
    """Model -> its ratios, from the tightest on."""
    few: Ratios = field(default_factory=Ratios)
    """Those of `scores-rounded` in cases of few keys and channels."""

    def __post_init__(self) -> None:
        known = candidates(self.dtype, self.overflows or stores_products(self.declared), self.few_bits)
        self.ratios = self.ratios or {model: Ratios() for model in (*known, self.declared)}

    def add(self, x: Inputs, out: np.ndarray, expected: Expected) -> None:
        """Adds one case: its inputs, the answer and the right answer, in rows that see a key."""
        self.cases += 1
        rows = ~expected.exact.empty
        for model, ratios in self.ratios.items():
            with np.errstate(all="ignore"):
                own = error_ratios(out, expected.out, _bounds(expected, model).out)[rows]
            ratios.add(own)
            if model.endswith("scores-rounded") and _few(expected):
                self.few.add(own)
        asked = expected.asked
        if isinstance(asked, AttentionInputs) and x.dtype != "float64":
            self.eager_factors += beside_eager(asked, out, expected.exact.out, rows)

    def join(self, other: PrecisionFit) -> None:
        """Adds the cases of another fit of the same dtype and models."""
        self.cases += other.cases
        self.eager_factors += other.eager_factors
        self.few.join(other.few)
        for model, ratios in other.ratios.items():
            self.ratios[model].join(ratios)

    @property
    def beside_eager(self) -> float:
        """The median over cases of the largest error in units of eager's; NaN where no case has one."""
        return float(np.median(self.eager_factors)) if self.eager_factors else np.nan

    def keeps(self, model: str) -> bool:
        """Whether every element is within the bound of the model."""
        return self.ratios[model].worst <= 1

    @property
    def tightest(self) -> str | None:
        """The first model that is kept; None if none is."""
        return next((model for model in self.ratios if self.keeps(model) and self._shows(model)), None)

    def _shows(self, model: str) -> bool:
        """Whether weights of a model in eight bits are seen: two keys show them as well as many, which long sums need."""
        return not stores_eight_bits(model) or not self.few.counts.any() or self.few.worst > 1

    def evidence(self) -> str:
        """Quantiles by model, and the factor that users of flash-attention look at."""
        quantiles = {model: (r.quantile(0.5), r.quantile(0.99), r.worst) for model, r in self.ratios.items()}
        table = "; ".join(f"{model} {'/'.join(f'{q:.2g}' for q in row)}" for model, row in quantiles.items())
        beside = f"; largest error {self.beside_eager:.2g} times eager's, in the median" if self.eager_factors else ""
        return f"{self.cases} cases, error/bound 50 %/99 %/max: {table}{beside}"

    def rows(self, d: Description) -> Iterator[PrecisionRow]:
        """One for each model."""
        for model, r in self.ratios.items():
            yield PrecisionRow(
                implementation=d.name,
                framework=d.framework,
                spec=d.spec,
                dtype=self.dtype,
                model=model,
                declared=model == self.declared,
                tightest=model == self.tightest,
                cases=self.cases,
                elements=int(r.counts.sum()),
                median=r.quantile(0.5),
                q99=r.quantile(0.99),
                worst=r.worst,
                beside_eager=self.beside_eager,
            )


def _few(expected: Expected) -> bool:
    asked = expected.asked
    return isinstance(asked, AttentionInputs) and max(asked.score_shape[3], asked.q.shape[3]) <= FEW


def _bounds(expected: Expected, model: str) -> Bounds:
    """The bounds of any model; those that are expected are there already."""
    return (
        expected.bounds
        if model == expected.model
        else expected.bounds_for(Units.from_precision(named_precision(model, expected.asked.dtype)))
    )


def beside_eager(x: AttentionInputs, out: np.ndarray, exact: np.ndarray, rows: np.ndarray) -> list[float]:
    """Largest error as a multiple of that of an eager run in the dtype, as flash-attention's tests have it; none where that has none."""
    with np.errstate(all="ignore"):
        own, plain = (np.abs(a.astype(np.float64) - exact)[rows].max(initial=0) for a in (out, eager(x)))
    return [float(own / plain)] if 0 < plain < np.inf and np.isfinite(own) else []


def eager(x: AttentionInputs) -> np.ndarray:
    """Attention with every step stored in the dtype of the inputs, and sums in float32."""
    dtype = numpy_dtype(x.dtype)

    def stored(a: np.ndarray) -> np.ndarray:
        rounded: np.ndarray = a.astype(dtype).astype(np.float32)
        return rounded

    visible = x.visible()
    q, k, v = (stored(np.repeat(a, n, axis=1)) for a, n in ((x.q, 1), (x.k, x.group), (x.v, x.group)))
    k, v = (np.where(np.any(visible, -2)[..., None], a, 0) for a in (k, v))
    s = stored(stored(q * np.float32(default_scale(x))) @ k.swapaxes(-1, -2))
    s = s if x.softcap is None else stored(x.softcap * stored(np.tanh(stored(s / x.softcap))))
    s = s if x.bias is None else stored(s + x.bias.astype(np.float32))
    sink = np.array(-np.inf, np.float32) if x.sinks is None else x.sinks.astype(np.float32)[:, None]
    weights, _, _ = softmax(np.where(visible, s, -np.inf).astype(np.float32), sink)
    return stored(stored(weights) @ v)

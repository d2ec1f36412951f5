"""Precision: the tightest model whose bound all outputs keep, in each dtype."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from attention_harness.conformance.precision_fit import PrecisionFit
from attention_harness.probe.experiments import Observation, experiment
from attention_harness.probe.session import WIDEST, ProbeSession
from attention_harness.probe.terms import CallInputs, Options, Sizes
from attention_specs import masks
from attention_specs.attention.inputs import Inputs
from attention_specs.biases import noise
from attention_specs.formats import is_narrow, largest
from attention_specs.precision import held_to, stores_products

SHAPES: tuple[Sizes, ...] = (
    {"queries": 16, "keys": 16, "dim": 64}, {"queries": 24, "keys": 200, "dim": 32}, {"batch": 1, "queries": 64, "keys": 64, "dim": 64},
    {"queries": 16, "keys": 16, "dim": 24}, {"queries": 16, "keys": 3, "dim": 2},
)  # fmt: skip
"""Of D, not all are powers of 4: the root of those is exact in any format, so that the format of the scale would not show.
With few keys and channels an error is that of a weight, not of a sum."""
RECIPES = ("normal", "steep", "peaked", "positive_values", "one_hot_values", "heavy_tails", "rising", "flat")
"""Rounded scores show where scores are large (steep, peaked, rising); rounded weights where values do not cancel (positive_values)."""
LAYER_RECIPES = ("normal", "steep", "positive_values", "uniform", "loud_heads", "identity_projections")
OPTIONS: dict[str, Options] = {
    "scale": {"scale": 0.3}, "softcap": {"softcap": 1.7}, "bias": {"bias": noise(1, 2.0, "hij")}, "sinks": {"sinks": 0.1},
    "mask": {"mask": masks.random(2, 0.5, "bhij")}, "is_causal": {"is_causal": True}, "window": {"window": (3, 1)},
    "key_lengths": {"key_lengths": lambda p: tuple(p.key_length - 1 - n for n in range(p.batch))},
}  # fmt: skip
"""Values for each option that the signature names: numbers that no format of fewer bits holds."""
OPTION_RECIPES = ("normal", "steep")
LONG = 1024
SMALL_VALUES = (1.5 * 2.0**-14, (1 - 2.0**-8) * 2.0**-11)
"""Sizes that sums of 14 bits lose beside 1, and that those of float16 lose too."""


@experiment(layers=True)
def precision(session: ProbeSession) -> Iterator[Observation]:
    """Each dtype by itself."""
    for dtype in session.dtypes:
        declared, overflows = held_to(session.precision, dtype), _overflows(session, dtype)
        measured = PrecisionFit(dtype, declared, overflows, few_bits=not session.layer)
        for x, out in session.answers(_cases(session, dtype)):
            measured.add(x, out, session.expected(x))
        refuted = not measured.keeps(declared) or (overflows and not stores_products(declared))
        evidence = measured.evidence() + OVERFLOW * overflows
        yield Observation(f"precision {dtype}", measured.tightest, evidence, "precision", refuted=refuted)


OVERFLOW = "; products beyond the dtype's range overflow before they are scaled"


def _overflows(session: ProbeSession, dtype: str) -> bool:
    """Whether products beyond the range of a narrow format, whose scaled scores are within, give no numbers."""
    if session.layer or not is_narrow(dtype):
        return False
    x = session.x(dtype=dtype, dim=CHANNELS)
    size = np.sqrt(2 * largest(dtype) / CHANNELS)
    level = x.replace(q=np.full_like(x.q, size), k=np.full_like(x.k, size))
    return not all(np.isfinite(out).all() for _, out in session.answers([level]))


CHANNELS = 64
"""With them a product is eight times a score."""


def _cases(session: ProbeSession, dtype: str) -> Iterator[CallInputs]:
    recipes = LAYER_RECIPES if session.layer else RECIPES
    for shape in SHAPES:
        yield from (session.inputs(dtype=dtype, recipe=recipe, number=n, **shape) for n, recipe in enumerate(recipes))
    for name, options in OPTIONS.items() if not session.layer else ():
        if session.asks(name):
            yield from (
                session.inputs(dtype=dtype, recipe=recipe, number=n, **options) for n, recipe in enumerate(OPTION_RECIPES)
            )
    yield from _cancelling(session, dtype) if dtype not in WIDEST and not session.layer else ()


def _cancelling(session: ProbeSession, dtype: str) -> Iterator[Inputs]:
    """Means of 1, many small values and -1: what is left are the small ones, as far as the format of sums has kept them beside 1."""
    x = session.x(dtype=dtype, batch=1, heads=1, queries=1, keys=LONG)
    for size in SMALL_VALUES:
        values = np.full_like(x.v, size)
        values[:, :, 0], values[:, :, -1] = 1, -1
        yield x.replace(q=np.zeros_like(x.q), v=values).stored_as(x.storage)

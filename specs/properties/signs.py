"""Claims about all answers of a run together: errors that are allowed one by one, and lean to one side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from specs.claims import Attend, claim
from specs.inputs import Inputs
from specs.judge import VACUOUS, Verdict
from specs.multi_head_inputs import LayerInputs

SIGMAS = 5.0
"""Standard errors that a mean may be away from 0. For errors of either sign alike the probability is below 2 exp(-25/2)."""

DIRECTIONS = ("above the exact answer", "away from zero")

Sample = tuple[float, ...]
"""The mean signed error of one batch entry in units of the bound: of out, and of out in the direction of the exact answer."""


def standard_errors(samples: Sequence[Sample]) -> np.ndarray:
    """sum x / sqrt(sum x^2) for each direction: a mean in units of its standard error, if it were 0.

    Where x and -x are as likely, P(|this| >= t) <= 2 exp(-t^2 / 2), for any number of samples of any sizes (Hoeffding 1963; Efron 1969).
    """
    x = np.asarray(samples, np.float64).reshape(-1, len(DIRECTIONS))
    sizes = np.sqrt((x**2).sum(0))
    return np.divide(x.sum(0), sizes, out=np.zeros_like(sizes), where=sizes > 0)


def no_preferred_sign(samples: Sequence[Sample]) -> Verdict:
    """The verdict on all samples of a run; vacuous where they are too few to be that far from 0."""
    if len(samples) <= SIGMAS**2:
        return VACUOUS
    away = standard_errors(samples)
    worst = int(np.argmax(np.abs(away)))
    mean = float(np.mean([sample[worst] for sample in samples]))
    ratio = float(abs(away[worst])) / SIGMAS
    sentence = (
        f"mean error={mean:+.2g} of the bound {DIRECTIONS[worst]}, {abs(away[worst]):.1f} standard errors over "
        f"{len(samples)} batch entries, but should be 0 to within {SIGMAS:g}"
    )
    return Verdict(ratio, "" if ratio <= 1 else sentence)


def _samples(out: np.ndarray, wanted: np.ndarray, bound: np.ndarray, rows: np.ndarray) -> Iterator[Sample]:
    """One for each batch entry: values of different entries are independent, those of one may share what was rounded."""
    with np.errstate(all="ignore"):
        errors = np.clip((out.astype(wanted.dtype) - wanted).astype(np.float64) / bound, -1, 1)
    outwards = errors * np.sign(wanted.astype(np.float64))
    for entry in range(len(out)):
        used = rows[entry][..., None] & np.isfinite(errors[entry])
        if used.any():
            yield float(errors[entry][used].mean()), float(outwards[entry][used].mean())


def _varied(weights: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Rows whose visible weights are not all equal: 1/n is rounded in one direction for all that have n."""
    most, least = (fold(np.where(seen, weights, other), axis=-1, initial=other) for fold, other in ((np.max, -1), (np.min, 2)))
    return np.greater(most, least)


@claim("P15", over_run=no_preferred_sign)
def errors_have_no_preferred_sign(attend: Attend, x: Inputs) -> Verdict:
    """Over a run the mean signed error is 0 to within 5 standard errors (C24: mlx-bf16-truncation; Qiu and Yao 2025)."""
    expected = attend.expected(x)
    rows = ~expected.exact.empty & _varied(expected.exact.weights, ~np.isneginf(expected.exact.scores))
    return _gathered(attend(x), expected, rows)


@claim("L19", spec="multi-head", over_run=no_preferred_sign)
def layer_errors_have_no_preferred_sign(attend: Attend, x: LayerInputs) -> Verdict:
    """As P15 (C24)."""
    expected = attend.expected(x)
    return _gathered(attend(x), expected, ~expected.exact.empty)


def _gathered(out: np.ndarray, expected: Any, rows: np.ndarray) -> Verdict:
    """The samples of one case; none of sums that are declared to be cut off, which has a sign."""
    if expected.bounds.u.truncates:
        return VACUOUS
    samples = tuple(_samples(out, expected.out, expected.bounds.out, rows))
    return Verdict(0.0, samples=samples) if samples else VACUOUS

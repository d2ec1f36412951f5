"""Properties of all answers of a run together: errors that are allowed one by one, and lean to one side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from attention_specs.attention.inputs import Inputs
from attention_specs.attention.oracle import Reference
from attention_specs.attention.spec import Expected
from attention_specs.judge import VACUOUS, Verdict
from attention_specs.multi_head.inputs import LayerInputs
from attention_specs.multi_head.oracle import LayerReference
from attention_specs.multi_head.spec import Expected as LayerExpected
from attention_specs.property import Attend, property_
from attention_specs.remembered import remembered

SIGMAS = 5.0
"""Standard errors that a mean may be beyond its limit. For errors of either sign alike: with probability exp(-25/2)."""

MOST_ALLOWED = 1 / 4
"""The largest share of functions in the bound of an element whose error shows roundings."""

DIRECTIONS = ("above", "below", "away from zero", "towards zero")

SECOND_ORDER = 2.0**-8
"""Share of the bound by which rounding to nearest may lean where its spacing changes, or in an exponential; 2^-9 was seen."""

Sample = tuple[float, float, float]
"""Of one batch entry and head, in units of the bound: the mean error, that away from zero, and the part that may have a sign."""


def standard_errors(samples: Sequence[tuple[float, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """For each direction the mean beyond its limit, and sum (x - allowed) / sqrt(sum x^2): that in standard errors.

    Where x and -x are as likely, P(sum x / sqrt(sum x^2) >= t) <= exp(-t^2 / 2) for any number of samples of any sizes
    (Hoeffding 1963; Efron 1969), and the allowed part makes it less.
    """
    up, outwards, allowed = np.asarray(samples, np.float64).T
    x = np.stack([up, -up, outwards, -outwards])
    beyond, sizes = (x - allowed).sum(-1), np.sqrt((x**2).sum(-1))
    return beyond / len(samples), np.divide(beyond, sizes, out=np.zeros_like(sizes), where=sizes > 0)


def no_preferred_sign(samples: Sequence[tuple[float, ...]]) -> Verdict:
    """The verdict on all samples of a run; vacuous where they are too few to be that far from 0."""
    if len(samples) <= SIGMAS**2:
        return VACUOUS
    means, away = standard_errors(samples)
    worst = int(np.argmax(away))
    ratio = max(float(away[worst]) / SIGMAS, 0.0)
    sentence = (
        f"mean error={means[worst]:.2g} of the bound {DIRECTIONS[worst]} beyond the error of functions, "
        f"{away[worst]:.1f} standard errors over {len(samples)} heads, but should be at most {SIGMAS:g}"
    )
    return Verdict(ratio, "" if ratio <= 1 else sentence)


def _samples(out: np.ndarray, expected: Expected | LayerExpected, rows: Callable[[Any], np.ndarray]) -> set[Sample]:
    """One for each batch entry and head: their values are independent, while those of one share the roundings on the way.

    Entries that are repeated in memory are one.
    """
    wanted, bound = expected.out, expected.bounds.out
    telling, allowed = _telling(expected, rows)
    with np.errstate(all="ignore"):
        errors = np.clip((out.astype(wanted.dtype) - wanted).astype(np.float64) / bound, -1, 1)
    outwards = errors * np.sign(wanted.astype(np.float64))
    samples = set()
    for entry in np.ndindex(out.shape[:-2]):
        used = telling[entry] & np.isfinite(errors[entry])
        if used.any():
            upwards, away, leaning = (float(a[entry][used].mean()) for a in (errors, outwards, allowed))
            samples.add((upwards, away, leaning + SECOND_ORDER))
    return samples


@remembered
def _telling(expected: Expected | LayerExpected, rows: Callable[[Any], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Elements whose errors show roundings, and the part of them that may have a sign, in units of the bound.

    Kept, because an audit asks hundreds of functions about one case.
    """
    with np.errstate(all="ignore"):
        allowed = expected.bounds_for(expected.bounds.u.systematic).out / expected.bounds.out
    return rows(expected.exact)[..., None] & (allowed <= MOST_ALLOWED), allowed


def _mixed(exact: Reference) -> np.ndarray:
    """Bool [B, Hq, Lq]: rows of many different weights, none above a half.

    Rounding to nearest has no preferred sign where its operands are spread out. Not so for 1/n, which is rounded in one
    direction in each row of n equal weights, nor just below 1, where one key has nearly all.
    """
    ordered = np.sort(np.where(np.isneginf(exact.scores), -1, exact.weights), axis=-1)
    repeated = (np.diff(ordered, axis=-1) == 0) & (ordered[..., 1:] >= 0)
    mixed: np.ndarray = ~exact.empty & ~repeated.any(-1) & (ordered.max(-1, initial=-1) <= 1 / 2)
    return mixed


@property_("P15", over_run=no_preferred_sign)
def errors_have_no_preferred_sign(attend: Attend, x: Inputs) -> Verdict:
    """Over a run the mean signed error is at most that of allowed functions, to within 5 standard errors (C24; Qiu and Yao 2025)."""
    return _gathered(attend(x), attend.expected(x), _mixed)


@property_("L19", spec="multi-head", over_run=no_preferred_sign)
def layer_errors_have_no_preferred_sign(attend: Attend, x: LayerInputs) -> Verdict:
    """Over a run the mean signed error of a layer is at most that of allowed functions, to within 5 standard errors (C24)."""
    return _gathered(attend(x), attend.expected(x), _mixed_in_all_heads)


def _mixed_in_all_heads(exact: LayerReference) -> np.ndarray:
    """Bool [B, Lq]."""
    mixed: np.ndarray = np.logical_and.reduce(_mixed(exact.attention), axis=1)
    return mixed


def _gathered(out: np.ndarray, expected: Expected | LayerExpected, rows: Callable[[Any], np.ndarray]) -> Verdict:
    """The samples of one case; none of sums whose declared errors have a sign."""
    if expected.bounds.u.leans:
        return VACUOUS
    samples = tuple(sorted(_samples(out, expected, rows)))
    return Verdict(0.0, samples=samples) if samples else VACUOUS

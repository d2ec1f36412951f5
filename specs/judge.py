"""Verdicts. Each comparison becomes one number, error / bound, that must not exceed 1, and one sentence if it does.

The truth table for what is not finite, used by every comparison:

    got \\ wanted   finite      +inf        -inf        NaN
    finite         bound       wrong       wrong       wrong
    +inf           wrong       right       wrong       wrong
    -inf           wrong       wrong       right       wrong
    NaN            wrong       wrong       wrong       right
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Verdict:
    """`ratio` is the worst error / bound (0 or inf for exact claims); the claim holds iff ratio <= 1, so NaN fails."""

    ratio: float
    message: str = ""
    vacuous: bool = False
    samples: tuple[tuple[float, ...], ...] = ()
    """What a claim about a whole run counts of this case."""

    @property
    def holds(self) -> bool:
        """Whether the claim holds."""
        return self.ratio <= 1

    def __and__(self, other: Verdict) -> Verdict:
        worse = max(self, other, key=lambda verdict: np.inf if np.isnan(verdict.ratio) else verdict.ratio)
        return Verdict(worse.ratio, worse.message, self.vacuous and other.vacuous)


FEWEST, MOST = 1e-4, 1e6
"""Numbers between are written without an exponent."""

VACUOUS = Verdict(0.0, vacuous=True)


def holds(condition: bool, message: str) -> Verdict:
    """An exact claim about anything: right, or infinitely wrong."""
    return Verdict(0.0 if condition else np.inf, "" if condition else message)


def within(
    got: np.ndarray, wanted: np.ndarray, bound: np.ndarray | float, what: str = "out", rows: np.ndarray | None = None
) -> Verdict:
    """Element by element |got - wanted| <= bound, by the truth table. Arrays of one shape; bound broadcasts.

    `rows`, bool in the leading axes of the arrays, limits the comparison to some rows.
    """
    if got.shape != wanted.shape:
        return holds(False, f"shape of {what}={_shape(got)}, but should be {_shape(wanted)}")
    ratios = error_ratios(got, wanted, bound)
    if rows is not None:
        ratios = np.where(rows.reshape(rows.shape + (1,) * (ratios.ndim - rows.ndim)), ratios, 0.0)
    if not ratios.size:
        return Verdict(0.0)
    where = np.unravel_index(np.argmax(np.where(np.isnan(ratios), np.inf, ratios)), ratios.shape)
    ratio = float(ratios[where])
    return Verdict(ratio, "" if ratio <= 1 else _sentence(got, wanted, bound, where, what))


def error_ratios(got: np.ndarray, wanted: np.ndarray, bound: np.ndarray | float) -> np.ndarray:
    """|got - wanted| / bound for each element; 0 where equal or where the truth table says right, inf where it says wrong."""
    if got.dtype == wanted.dtype and bool((got == wanted).all()):
        return np.zeros(got.shape)
    work = np.promote_types(np.promote_types(got.dtype, np.float64), np.promote_types(wanted.dtype, np.float64))
    with np.errstate(invalid="ignore"):  # whatever lies in memory that nobody wrote to
        got, wanted = got.astype(work), wanted.astype(work)
    equal = (got == wanted) | (np.isnan(got) & np.isnan(wanted))
    comparable = np.isfinite(got) & np.isfinite(wanted)
    with np.errstate(all="ignore"):
        ratios = np.where(comparable, np.abs(got - wanted) / np.maximum(bound, 0), np.inf)
    return np.where(equal, 0.0, ratios).astype(np.float64)


def identical(got: np.ndarray, wanted: np.ndarray, what: str = "out", rows: np.ndarray | None = None) -> Verdict:
    """Equal bit for bit, but that +0 equals -0 and any NaN any other."""
    return within(got, wanted, 0.0, what, rows)


def _sentence(got: np.ndarray, wanted: np.ndarray, bound: np.ndarray | float, where: tuple[Any, ...], what: str) -> str:
    allowed = float(np.broadcast_to(bound, got.shape)[where])
    index = ",".join(str(int(i)) for i in where)
    margin = f" +- {allowed:.3g}" if allowed else " exactly"
    return f"{what}[{index}]={_number(got[where])}, but should be {_number(wanted[where])}{margin}"


def _number(value: Any) -> str:
    plain = FEWEST < abs(float(value)) < MOST
    return str(np.format_float_positional(value, 17, trim="0")) if plain else f"{float(value):.9g}"


def _shape(array: np.ndarray) -> str:
    return "x".join(map(str, array.shape)) or "scalar"

"""Verdicts. Each comparison becomes one number, error / bound, that must not exceed 1, and one sentence if it does.

The table of numbers that are not finite, used by every comparison:

    got \\ wanted   finite      +inf        -inf        NaN
    finite         bound       wrong       wrong       wrong
    +inf           wrong       right       wrong       wrong
    -inf           wrong       wrong       right       wrong
    NaN            wrong       wrong       wrong       right
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Bound = np.ndarray | float | Callable[[], np.ndarray]
"""Of each element, broadcast; or a function that gives it, called where something differs alone."""


@dataclass(frozen=True)
class Verdict:
    """`ratio` is the worst error / bound (0 or inf for exact properties); the property holds iff ratio <= 1, so NaN fails."""

    ratio: float
    message: str = ""
    vacuous: bool = False
    samples: tuple[tuple[float, ...], ...] = ()
    """The samples of this case, for a property of the whole run."""
    where: tuple[int, ...] = ()
    """The element that the sentence is about."""

    @property
    def holds(self) -> bool:
        """Whether the property holds."""
        return self.ratio <= 1

    def __and__(self, other: Verdict) -> Verdict:
        worse = max(self, other, key=lambda verdict: np.inf if np.isnan(verdict.ratio) else verdict.ratio)
        return Verdict(worse.ratio, worse.message, self.vacuous and other.vacuous, where=worse.where)


FEWEST, MOST = 1e-4, 1e6
"""Numbers between are written without an exponent."""

FEWEST_DIGITS, MOST_DIGITS = 5, 21
"""Significant digits of the numbers in a sentence: no two numbers of 64 significant bits need more."""

VACUOUS = Verdict(0.0, vacuous=True)


def holds(condition: bool, message: str) -> Verdict:
    """The verdict on a plain condition: right, or infinitely wrong."""
    return Verdict(0.0 if condition else np.inf, "" if condition else message)


def within(
    got: np.ndarray,
    wanted: np.ndarray,
    bound: Bound,
    what: str = "out",
    rows: np.ndarray | None = None,
    why: str = "",
) -> Verdict:
    """Element by element |got - wanted| <= bound, by the table. Arrays of one shape; bound broadcasts.

    `rows`, bool in the leading axes of the arrays, limits the comparison to some rows. `why` is the reason, for the sentence.
    """
    if got.shape != wanted.shape:
        return holds(False, f"shape of {what}={_shape(got)}, but should be {_shape(wanted)}")
    ratios = error_ratios(got, wanted, bound)
    if rows is not None:
        ratios = np.where(rows.reshape(rows.shape + (1,) * (ratios.ndim - rows.ndim)), ratios, 0.0)
    if not ratios.size:
        return Verdict(0.0)
    where = tuple(map(int, np.unravel_index(np.argmax(np.where(np.isnan(ratios), np.inf, ratios)), ratios.shape)))
    ratio = float(ratios[where])
    if ratio <= 1:
        return Verdict(ratio)
    return Verdict(ratio, _sentence(got, wanted, _given(bound), where, what, why), where=where)


def _given(bound: Bound) -> np.ndarray | float:
    return bound() if callable(bound) else bound


@dataclass(frozen=True, eq=False)
class Side:
    """One of two answers that should be the same, with the right one and its bound."""

    what: str
    got: np.ndarray
    wanted: np.ndarray
    bound: np.ndarray | float

    def off(self, where: tuple[int, ...]) -> bool:
        """Whether this element is beyond the bound."""
        bound = np.broadcast_to(self.bound, self.got.shape)[where]
        return not error_ratios(np.asarray(self.got[where]), np.asarray(self.wanted[where]), bound) <= 1


def which_is_off(verdict: Verdict, again: Side, first: Side, why: str = "") -> Verdict:
    """The verdict on a failed relation: where one side alone is wrong, that side beside the right answer."""
    if verdict.holds or not verdict.where:
        return verdict
    where, reason = verdict.where, f"{why}; " if why else ""
    if again.off(where) == first.off(where):
        return verdict
    side, other = (again, first) if again.off(where) else (first, again)
    right = f"{reason}{other.what} is right"
    return replace(verdict, message=_sentence(side.got, side.wanted, side.bound, where, side.what, right))


def error_ratios(got: np.ndarray, wanted: np.ndarray, bound: Bound) -> np.ndarray:
    """|got - wanted| / bound for each element; 0 where equal or where the table has "right", inf where it has "wrong"."""
    if got.dtype == wanted.dtype and bool((got == wanted).all()):
        return np.zeros(got.shape)
    work = np.promote_types(np.promote_types(got.dtype, np.float64), np.promote_types(wanted.dtype, np.float64))
    with np.errstate(invalid="ignore"):  # numbers of memory that was never written
        got, wanted = got.astype(work, copy=False), wanted.astype(work, copy=False)
    comparable = np.isfinite(got) & np.isfinite(wanted)
    equal = got == wanted if comparable.all() else (got == wanted) | (np.isnan(got) & np.isnan(wanted))
    if equal.all():
        return np.zeros(equal.shape)
    with np.errstate(all="ignore"):
        ratios = np.where(comparable, np.abs(got - wanted) / np.maximum(_given(bound), 0), np.inf)
    return np.where(equal, 0.0, ratios).astype(np.float64, copy=False)


def identical(got: np.ndarray, wanted: np.ndarray, what: str = "out", rows: np.ndarray | None = None) -> Verdict:
    """Equal bit for bit, but that +0 equals -0 and any NaN any other."""
    return within(got, wanted, 0.0, what, rows)


def _sentence(
    got: np.ndarray, wanted: np.ndarray, bound: np.ndarray | float, where: tuple[Any, ...], what: str, why: str = ""
) -> str:
    allowed = float(np.broadcast_to(bound, got.shape)[where])
    first, second = numbers(got[where], wanted[where])
    margin = f" +- {allowed:.3g}" if allowed else " exactly"
    reason = f" ({why})" if why else ""
    return f"{what}{place(where)}={first}, but should be {second}{margin if np.isfinite(_wide(wanted[where])) else ''}{reason}"


def place(where: tuple[Any, ...]) -> str:
    """An element's index, as it is written behind a name."""
    return f"[{','.join(str(int(i)) for i in where)}]"


def numbers(got: Any, wanted: Any) -> tuple[str, str]:
    """Both numbers with as many digits as show how they differ, and never fewer than FEWEST_DIGITS."""
    one, other = _wide(got), _wide(wanted)
    with np.errstate(all="ignore"):
        size, apart = max(abs(one), abs(other)), abs(one - other)
        telling = np.ceil(np.log10(size / apart)) + 2 if 0 < apart < np.inf else 0
    digits = int(min(max(telling, FEWEST_DIGITS), MOST_DIGITS))
    return _number(one, digits), _number(other, digits)


def _wide(value: Any) -> Any:
    value = np.asarray(value)[()]
    return np.longdouble(value if value.dtype == np.longdouble else float(value))


def _number(value: Any, digits: int) -> str:
    if not np.isfinite(value):
        return str(float(value))
    if value == 0 or FEWEST < abs(value) < MOST:
        text = np.format_float_positional(value, digits, unique=False, fractional=False, trim="-")
        return "0" if value == 0 else str(text)
    return str(np.format_float_scientific(value, digits - 1, unique=False, trim="-")).replace(".e", "e")


def _shape(array: np.ndarray) -> str:
    return "x".join(map(str, array.shape)) or "scalar"

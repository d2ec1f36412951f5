"""Numbers of options: special ones, and any of a range, evenly by order of magnitude."""

from __future__ import annotations

from hypothesis import strategies as st

ANY = "any"
"""Stands among special numbers for one from the whole range."""
STEPS = 9999


def between(low: float, high: float) -> st.SearchStrategy[float]:
    """A positive number of this range, to four digits; its logarithm is even."""
    return st.integers(0, STEPS).map(lambda n: float(f"{low * (high / low) ** (n / STEPS):.4g}"))


def of_either_sign(size: st.SearchStrategy[float], negative: int) -> st.SearchStrategy[float]:
    """Below 0 in that percentage of draws."""
    return st.tuples(st.integers(0, 99), size).map(lambda drawn: -drawn[1] if drawn[0] < negative else drawn[1])


RANGES: dict[str, st.SearchStrategy[float]] = {
    "scale": of_either_sign(between(0.01, 2.0), 20),
    "softcap": between(0.5, 200.0),
    "sinks": of_either_sign(between(0.1, 40.0), 50),
    "noise": between(0.05, 50.0),
    "density": between(0.05, 0.99),
    "filler": between(50.0, 6e4).map(lambda size: -size),
}
"""Option or argument -> its numbers."""


def number(draw: st.DrawFn, name: str, special: tuple[float, ...]) -> float:
    """One of the special numbers in half of the draws, else any of the range."""
    return draw(st.one_of(st.sampled_from(special), RANGES[name]))


def any_of(draw: st.DrawFn, name: str, chosen: float | str) -> float:
    """The number that was chosen, or one of the range where that is ANY."""
    return draw(RANGES[name]) if isinstance(chosen, str) else chosen

"""Domain of an implementation: the fewest conditions under which it answers a plain call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic

from attention_harness.generation.conditions import AXES, NEEDS, meeting, of_different_groups
from attention_specs.case import Question
from attention_specs.formats import DTYPES

TOGETHER = 4
"""Conditions that are met at once where nothing is known; half as many in further dtypes."""

SECONDS = 8.0
"""Time for the search."""

CONDITIONS = {name: condition for axis in AXES for name, condition in axis.items()}


@dataclass(frozen=True)
class Domain:
    """Names of conditions; each call meets them all."""

    conditions: tuple[str, ...] = ()

    def moved(self, p: Question) -> Question:
        """The problem under the conditions. ValueError where that is none."""
        for condition in self.conditions:
            p = meeting(p, CONDITIONS[condition])
        return p

    def __str__(self) -> str:
        return ", ".join(self.conditions)


def learned(answers: Callable[[str, Domain], bool], options: tuple[str, ...]) -> dict[str, Domain]:
    """Dtype -> the first domain in which a plain call is answered: few conditions before many, and those of another dtype first."""
    deadline, domains = monotonic() + SECONDS, dict[str, Domain]()
    for domain in _guesses(options, TOGETHER):
        domains = {dtype: domain for dtype in DTYPES if answers(dtype, domain)}
        if domains or monotonic() > deadline:
            break
    for dtype in DTYPES if domains else ():
        guesses = (guess for guess in _guesses(options, TOGETHER // 2) if monotonic() < deadline)
        first = None if dtype in domains else next((guess for guess in guesses if answers(dtype, guess)), None)
        domains |= {} if first is None else {dtype: first}
    return domains


def _guesses(options: tuple[str, ...], most: int) -> Iterator[Domain]:
    """No conditions, one, two and so on, without those whose option is not in the signature."""
    able = [[name for name in axis if NEEDS.get(name) in (None, *options)] for axis in AXES]
    for number in range(most + 1):
        yield from map(Domain, of_different_groups(able, number))

"""The drawing of a run's cases: once, in the parent, for every implementation of a spec."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import TypeVar

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider

from attention_specs.case import Case

Thing = TypeVar("Thing")

Strategies = Callable[[Random], Iterator[st.SearchStrategy[Case]]]
"""One strategy after the other, each for one case."""


class SeededProvider(HypothesisProvider):
    """Whole numbers from the seed alone, evenly.

    Hypothesis takes one in twenty from the constants of the source files beside it: an installed wheel draws other cases
    than a checkout then, and two more edge cases change the cases of a seed. A backend is the way it offers to draw otherwise:
    https://hypothesis.readthedocs.io/en/latest/extensions.html#alternative-backends-for-hypothesis
    """

    def draw_integer(
        self,
        min_value: int | None = None,
        max_value: int | None = None,
        *,
        weights: dict[int, float] | None = None,
        shrink_towards: int = 0,
    ) -> int:
        """Every number of the range is as likely; the preferences in `weights` and `shrink_towards` are not needed."""
        if self._random is None or min_value is None or max_value is None:
            raise ValueError(f"range={min_value}..{max_value}, but should have both ends; give the strategy both")
        return self._random.randint(min_value, max_value)


AVAILABLE_PROVIDERS["attention-harness"] = SeededProvider


def draw(strategies: Strategies, count: int, start: int) -> list[Case]:
    """`count` different cases, one from each strategy in turn, or fewer if they repeat. Same seed, same cases."""
    rng = Random(start)
    drawn: dict[str, Case] = {}
    for _, strategy in zip(range(2 * count), strategies(rng), strict=False):
        case = independent(strategy, rng.getrandbits(32))
        drawn.setdefault(case.id, case)
        if len(drawn) == count:
            break
    return list(drawn.values())


def independent(strategy: st.SearchStrategy[Case], start: int) -> Case:
    """One example that depends on the seed alone.

    Within a run Hypothesis explores around the examples it has had (measured: 200 examples held 93 different cases, a
    third of them without any option). Independent draws cover more, so each case is a run of its own: of its two
    examples the first is the simplest one, always the same, and the second is drawn by `SeededProvider`.
    """
    examples: list[Case] = []

    @seed(start)
    @settings(
        max_examples=2,
        backend="attention-harness",
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.normal,
    )
    @given(strategy)
    def each(case: Case) -> None:
        examples.append(case)

    each()
    return examples[-1]


def cycle(rng: Random, things: Sequence[Thing]) -> Iterator[Thing]:
    """All things in random order, again and again, so that each gets its share."""
    while True:
        yield from rng.sample(things, len(things))

"""The domain of an implementation, learned from its refusals, so that cases can be moved to where it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import prod
from time import monotonic

from attention_harness.generation.conditions import AXES, Condition, lengths, meeting, of_different_groups
from attention_harness.generation.shapes import BUDGET
from attention_specs.attention.problem import Problem
from attention_specs.case import Case, Question
from attention_specs.registry import drawn_recipes

SAMPLE = 6
"""Refused cases that each guess is tried on."""

TOGETHER = 4
"""Conditions that are met at once."""

ENOUGH = 0.8
"""Share of answers in the sample at which the search ends."""

LEARNING_SECONDS = 20.0

MOST_SCORES = 5 * BUDGET
"""Of a case that was moved: a square of a long axis takes minutes."""


@dataclass(frozen=True)
class Domain:
    """A guess at the domain: conditions, and the share of the refused cases that is answered under them."""

    conditions: tuple[str, ...] = ()
    share: float = 0.0

    @property
    def telling(self) -> bool:
        """Whether the answers there say something of other problems: a few keys say nothing."""
        return bool(self.conditions) and TINY not in self.conditions

    def moved(self, case: Case) -> Case | None:
        """The case under the conditions; None where the result is no problem or is too large, or where numbers are given."""
        if case.recipe not in drawn_recipes(case.problem.spec) or case.arrays:
            return None
        try:
            for condition in self.conditions:
                case = replace(case, problem=meeting(case.problem, CONDITIONS[condition]))
        except ValueError:
            return None
        return case if prod(case.problem.score_shape) <= MOST_SCORES else None


def learned(answers: Callable[[Case], bool], refused: Sequence[Case]) -> Domain:
    """The conditions under which most of a sample of the refused cases is answered: few ones before many, tiny sizes after others."""
    deadline, best, known = monotonic() + LEARNING_SECONDS, Domain(), dict[str, bool]()

    def once(case: Case) -> bool:
        """Many guesses move a case to the same place."""
        if case.id not in known:
            known[case.id] = answers(case)
        return known[case.id]

    able = [case for case in refused if Domain().moved(case)]
    sample = able[:: max(len(able) // SAMPLE, 1)][:SAMPLE]
    for guess in _guesses():
        if monotonic() > deadline or best.share >= ENOUGH or not sample:
            break
        share = _share(once, Domain(guess), sample)
        best = Domain(guess, share) if share > best.share else best
    return best


def _guesses() -> Iterator[tuple[str, ...]]:
    for number in range(1, TOGETHER + 1):
        yield from of_different_groups(GROUPS, number)
        yield from ((*guess, TINY) for guess in of_different_groups(GROUPS, number - 1))


def _share(answers: Callable[[Case], bool], domain: Domain, sample: Sequence[Case]) -> float:
    """The share that is answered; 0 as soon as the first two are refused."""
    got: list[bool] = []
    for case in sample:
        moved = domain.moved(case)
        got.append(moved is not None and answers(moved))
        if len(got) == 2 and not any(got):
            return 0.0
    return sum(got) / len(got)


def _without_options(p: Question) -> dict[str, object]:
    return {field.name: field.default for field in fields(p)[p.sizes :]}


TINY = "at most 3 queries and keys"

OWN: tuple[Mapping[str, Condition], ...] = (
    {"no option": _without_options},
    {
        "query_length == key_length": lambda p: lengths(p.query_length, p.query_length),
        "self_attention": lambda p: {**lengths(p.query_length, p.query_length), "self_attention": True},
    },
    {"key_heads == query_heads": lambda p: {"key_heads": p.query_heads} if isinstance(p, Problem) else {}},
    {"head_dim == value_dim": lambda p: {"value_dim": p.head_dim}},
)
"""Conditions that a plain problem meets, and a drawn one may not."""

GROUPS = (*OWN, *AXES)

CONDITIONS: dict[str, Condition] = {
    **{name: condition for group in GROUPS for name, condition in group.items()},
    TINY: lambda p: lengths(*(min(n, 3) for n in (p.query_length, p.key_length))),
}
"""Condition -> the fields of a problem that meets it; the order is that in which they are met."""

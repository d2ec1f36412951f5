"""The eleven outcomes, worst first: what each means, and which of them speak against an implementation."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """One outcome: its name in the records, the sign that stands for it in a matrix, and what it means."""

    name: str
    sign: str
    failing: bool
    verb: tuple[str, str]
    meaning: str


ALL = (
    Outcome("violates", "✗", True, ("violates it", "violate it"), "its answer breaks the property"),
    Outcome("crashed", "C", True, ("crashed", "crashed"), "the process died"),
    Outcome("timed-out", "T", True, ("timed out", "timed out"), "no answer within the time limit of a case"),
    Outcome("out-of-memory", "M", True, ("ran out of memory", "ran out of memory"), "more memory than a worker may have"),
    Outcome("errored", "E", True, ("errored", "errored"), "it raised an error on a problem that it claims"),
    Outcome("waived", "w", False, ("deviates as known", "deviate as known"), "it fails in a way that is known and documented"),
    Outcome(
        "too-little",
        "?",
        False,
        ("answered too little to say", "answered too little to say"),
        "it refused most of the cases: what it answered says little of the rest",
    ),
    Outcome("agrees", "✓", False, ("agrees", "agree"), "every case that was tried keeps the property"),
    Outcome("vacuous", "○", False, ("was tried on vacuous cases only",) * 2, "no case could tell right from wrong: not credited"),
    Outcome(
        "unsupported",
        "·",
        False,
        ("supports nothing that was tried", "support nothing that was tried"),
        "declared as not offered",
    ),
    Outcome("unavailable", "–", False, ("is unavailable", "are unavailable"), "it could not be loaded here"),
)
BY_NAME = {outcome.name: outcome for outcome in ALL}
FAILING = frozenset(outcome.name for outcome in ALL if outcome.failing)
JUDGED = FAILING | {"waived", "agrees"}
_RANK = {outcome.name: rank for rank, outcome in enumerate(ALL)}


def worst(names: Iterable[str]) -> str:
    """The outcome that decides among several; one dtype that violates outweighs any number that agree."""
    return min(names, key=_RANK.__getitem__)

"""The outcomes, worst first: meaning, next step, and whether one speaks against an implementation."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """One outcome: its name in the records, its sign in a matrix, its meaning, and the next step of a reader."""

    name: str
    sign: str
    failing: bool
    verb: tuple[str, str]
    meaning: str
    advice: str
    style: str = ""
    """Its class in the style sheet, where that is not its name."""

    @property
    def css(self) -> str:
        return self.style or self.name


ALL = (
    Outcome(
        "violates", "✗", True, ("violates it", "violate it"), "its answer breaks the property",
        "Run the replay line, and follow the named element through the computation.",
    ),
    Outcome(
        "crashed", "C", True, ("crashed", "crashed"), "the process died",
        "Run the replay line under a debugger or a sanitizer, and check the ends of reads and writes.",
    ),
    Outcome(
        "timed-out", "T", True, ("timed out", "timed out"), "no answer within the time limit of a case",
        "Look for an endless loop or a deadlock; for a case that is only slow, raise --timeout.",
    ),
    Outcome(
        "out-of-memory", "M", True, ("ran out of memory", "ran out of memory"), "more memory than a worker may have",
        "Look for an array that is larger than the case needs, or raise --memory.",
    ),
    Outcome(
        "errored", "E", True, ("errored", "errored"), "it raised an error on a problem that it offers",
        "Answer the case, refuse it with NotImplementedError, or declare a domain: `sizes >= 1`, `key_heads == query_heads`.",
    ),
    Outcome(
        "waived", "w", False, ("deviates as known", "deviate as known"), "it fails in a way that is known and documented",
        "Follow the link of the waiver, and remove the waiver once the case is right.",
    ),
    Outcome(
        "too-little", "?", False, ("answered too little to say", "answered too little to say"),
        "it refused most of the cases, so the answers say little about the rest",
        "Answer more cases, or leave the refused option or dtype out of the declaration.",
    ),
    Outcome(
        "agrees", "✓", False, ("agrees", "agree"), "every case that was tried keeps the property",
        "Raise --examples for more certainty.",
    ),
    Outcome(
        "vacuous", "○", False, ("was tried on vacuous cases only",) * 2,
        "no test case exercised this property, so it does not count as a pass",
        "Raise --examples until a case exercises it.",
    ),
    Outcome(
        "unsupported", "·", False, ("supports nothing that was tried", "support nothing that was tried"), "declared as not offered",
        "Offer the option or dtype if users need it.",
    ),
    Outcome(
        "unavailable", "–", False, ("is unavailable", "are unavailable"), "it could not be loaded here",
        "Install the package that the reason names.",
    ),
)  # fmt: skip
BY_NAME = {outcome.name: outcome for outcome in ALL}
FAILING = frozenset(outcome.name for outcome in ALL if outcome.failing)
JUDGED = FAILING | {"waived", "agrees"}
MISSING = "no-outcome"
"""The name of an outcome that is empty where there should be one."""

COLUMNS = ("implementation", "framework", "version", "device", "spec", "standing", "cases", "seconds")
"""Columns of the table that counts outcomes in columns of their own."""


def label(name: str) -> str:
    """The name of an outcome in the report: none that is missing, or that a column has."""
    return f"{name} outcome" if name in COLUMNS else name or MISSING


def named(name: str) -> Outcome:
    """The outcome of that name. An unknown one fails: a newer harness wrote it, or the file is damaged."""
    return BY_NAME.get(name) or Outcome(
        name,
        "□",
        True,
        (f"has the unknown outcome {name}", f"have the unknown outcome {name}"),
        "unknown to this version of the report",
        "Write the report with the version of attention-harness that made the run, or run again.",
        style="foreign",
    )


def fails(name: str) -> bool:
    """Whether it speaks against an implementation; "", which is no outcome, does not."""
    return bool(name) and named(name).failing


def failing(names: Iterable[str]) -> list[str]:
    """The names among these that speak against an implementation."""
    return [name for name in dict.fromkeys(names) if fails(name)]


def judged(names: Iterable[str]) -> list[str]:
    """The names among these that say right or wrong."""
    return [name for name in dict.fromkeys(names) if fails(name) or name in JUDGED]


def unknown(names: Iterable[str]) -> list[str]:
    """The names among these that nobody here knows."""
    return sorted({name for name in names if name and name not in BY_NAME})


def ranked(names: Iterable[str]) -> list[str]:
    """All known outcomes and the unknown ones among the names, worst first."""
    return sorted([*BY_NAME, *unknown(names)], key=rank)


def rank(name: str) -> int:
    """The place of an outcome, the worst at 0; unknown ones stand behind all others that fail."""
    return _RANK.get(name, 2 * len(FAILING) - 1)


def worst(names: Iterable[str]) -> str:
    """The outcome that decides among several; one dtype that violates outweighs any number that agree."""
    return min(names, key=rank)


_RANK = {outcome.name: 2 * place for place, outcome in enumerate(ALL)}

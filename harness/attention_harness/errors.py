"""The outcomes of a check, the exceptions of the package, and foreign text made printable for their messages."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """The outcome of a property on a case, or of a call without an answer; the worst first.

    `attention_reports.outcomes` has the sign, the meaning and the advice of each for a reader.
    """

    CRASHED = "crashed"
    TIMED_OUT = "timed-out"
    OUT_OF_MEMORY = "out-of-memory"
    ERRORED = "errored"
    VIOLATES = "violates"
    WAIVED = "waived"
    TOO_LITTLE = "too-little"
    AGREES = "agrees"
    VACUOUS = "vacuous"
    UNSUPPORTED = "unsupported"
    UNLOADABLE = "unloadable"
    UNAVAILABLE = "unavailable"

    @property
    def wrong(self) -> bool:
        """Whether it speaks against the implementation."""
        return self in FAILING

    @property
    def severity(self) -> int:
        """The place among the outcomes, 0 for the worst."""
        return list(Outcome).index(self)


FAILING = (Outcome.CRASHED, Outcome.TIMED_OUT, Outcome.OUT_OF_MEMORY, Outcome.ERRORED, Outcome.VIOLATES)
REFUSALS = (Outcome.UNSUPPORTED, Outcome.ERRORED)
"""Outcomes of a call that the implementation refused."""


class CallFailed(Exception):
    """A call without an answer, and its outcome."""

    def __init__(self, outcome: Outcome, message: str, trace: str = "") -> None:
        super().__init__(outcome, message, trace)
        self.outcome, self.message, self.trace = outcome, message, trace

    def __str__(self) -> str:
        return self.message


class UsageError(Exception):
    """A wrong call; the text names the mistake and the right form. Exit status 2."""


class NotLoaded(UsageError):
    """A function that cannot be imported, or not called as an attention."""


def printable(text: str) -> str:
    """The text on one line, with escapes in place of surrogates, control and other unprintable characters."""
    return "".join(
        c if c.isprintable() else " " if c.isspace() else c.encode("unicode_escape", "backslashreplace").decode() for c in text
    )

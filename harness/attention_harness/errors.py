"""What may go wrong: a call of the command, and a call of the function under test."""

from __future__ import annotations

REFUSALS = ("unsupported", "errored")
"""Outcomes of a call that the implementation did not take, and said so."""


class CallFailed(Exception):
    """A call that gave no answer; `outcome` is one of the outcomes of a check."""

    def __init__(self, outcome: str, message: str, trace: str = "") -> None:
        super().__init__(outcome, message, trace)
        self.outcome, self.message, self.trace = outcome, message, trace

    def __str__(self) -> str:
        return self.message


class UsageError(Exception):
    """The call is wrong; the text says what and what would be right. Exit status 2."""

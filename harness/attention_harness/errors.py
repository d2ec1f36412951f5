"""The exceptions of the package: for a wrong call of the command, and for a failed call of the function under test."""

from __future__ import annotations

REFUSALS = ("unsupported", "errored")
"""Outcomes of a call that the implementation refused."""


class CallFailed(Exception):
    """A call without an answer; `outcome` is one of the outcomes of a check."""

    def __init__(self, outcome: str, message: str, trace: str = "") -> None:
        super().__init__(outcome, message, trace)
        self.outcome, self.message, self.trace = outcome, message, trace

    def __str__(self) -> str:
        return self.message


class UsageError(Exception):
    """A wrong call; the text names the mistake and the right form. Exit status 2."""

"""A function under test without a process of its own: the same loading, the same call, the same failures, and a thousand times a second."""

from __future__ import annotations

from collections.abc import Callable

from attention_harness.errors import CallFailed, Outcome
from attention_harness.process.messages import Answer, Failure, Request
from attention_harness.process.server import Server
from attention_harness.registry.call_form import in_contract_form
from attention_harness.registry.loading import describe


class InProcessWorker:
    """Stands where a `Worker` stands. Only for functions that leave the process alive."""

    def __init__(self, function: Callable[..., object], name: str = "") -> None:
        self.description = describe(function, name or function.__name__)
        self.server = Server(in_contract_form(function, self.description), self.description)

    def call(self, request: Request) -> Answer:
        """The answer. Raises CallFailed."""
        try:
            answer = self.server.answer(request)
        except SystemExit as error:
            raise CallFailed(Outcome.CRASHED, f"SystemExit: {error.code}") from error
        if isinstance(answer, Failure):
            raise CallFailed(answer.kind, answer.message, answer.trace)
        return answer

"""The process in which all candidates of a workload run side by side: answers the messages of a timing until its pipe closes.

Started as `python -m attention_harness.timing.process.server PIPE BLACKBOX` with the threads limited in its environment, before any import.
"""

from __future__ import annotations

import gc
import pickle
import sys
from collections.abc import Callable
from time import perf_counter_ns

from attention_harness.errors import Outcome
from attention_harness.process.framing import Channel
from attention_harness.process.messages import Failure
from attention_harness.process.server import bound, channel_to_parent, unexpected
from attention_harness.registry.loading import LoadError, load
from attention_harness.timing.measure.candidate import Candidate, Clock
from attention_harness.timing.measure.ceilings import Ceilings, ceilings
from attention_harness.timing.measure.honesty import watch
from attention_harness.timing.measure.load import Usage
from attention_harness.timing.measure.memory import peak
from attention_harness.timing.measure.messages import (
    Ceiling,
    First,
    FirstCalls,
    HonestyTrace,
    Load,
    Memory,
    Message,
    Open,
    Round,
    RoundResult,
    Warm,
    WarmUp,
    Watch,
)
from attention_harness.timing.measure.schedule import Slot
from attention_harness.timing.process.blackbox import BlackBox
from attention_specs.attention.inputs import Inputs, realise
from attention_specs.attention.spec import Unsupported
from attention_specs.case import Case
from attention_specs.contract import Description


class Server:
    """Holds the candidates and answers messages. `note` gets the name of the candidate that is about to run."""

    def __init__(self, note: Callable[[str], None] = lambda name: None, clock: Clock = perf_counter_ns) -> None:
        self.note, self.clock = note, clock
        self.candidates: dict[str, Candidate] = {}
        self.copies: list[Inputs] = []
        self.direction = "forward"

    def answer(self, message: Message[object]) -> object:
        """The answer, or a Failure in place of an exception."""
        self.note(getattr(message, "name", ""))
        try:
            return getattr(self, type(message).__name__.lower())(message)
        except Exception as error:
            return failure(error)

    def load(self, message: Load) -> Description:
        """Imports a candidate."""
        function, description = load(message.target, message.location, message.declared)
        if description.spec == "attention":
            self.candidates[message.name] = Candidate(function, description, self.clock)
        return description

    def open(self, message: Open) -> bool:
        """Drops the arrays of the last workload, and makes the inputs."""
        for candidate in self.candidates.values():
            candidate.close()
        self.copies, self.direction = [realise(Case.from_json(data)) for data in message.cases], message.direction
        return True

    def first(self, message: First) -> FirstCalls:
        """First calls of a candidate."""
        candidate = self.candidates[message.name]
        candidate.open(self.copies, self.direction)
        return candidate.first_calls()

    def warm(self, message: Warm) -> WarmUp:
        """Further calls, until steady."""
        return self.candidates[message.name].warm_up(message.cap)

    def memory(self, message: Memory) -> float:
        """Peak memory of one call."""
        candidate = self.candidates[message.name]
        description, least = candidate.description, sum(array.nbytes for array in candidate.output(candidate.call(0)).values())
        return peak(lambda: candidate.call(0), description.framework, description.device, least)

    def ceiling(self, message: Ceiling) -> Ceilings:
        """Ceilings of the candidate's framework."""
        description = self.candidates[message.name].description
        return ceilings(description.framework, description.device, message.dtype)

    def watch(self, message: Watch) -> HonestyTrace:
        """Whether a candidate works when it should."""
        return watch(self.candidates[message.name], message)

    def round(self, message: Round) -> RoundResult:
        """All rows, without the garbage collector."""
        result, whole = RoundResult(), self.clock()
        names = sorted({slot.name for row in message.rows for slot in row})
        result.wrote = tuple(name for name in names if self._noted(name).fill(message.number))
        gc.collect()
        gc.disable()
        usage = Usage()
        try:
            for slot in (slot for row in message.rows for slot in row):
                self._slot(slot, result)
        finally:
            gc.enable()
        result.others, result.cores = usage.others(), usage.cores()
        result.whole = (self.clock() - whole) / 1e9
        return result

    def _slot(self, slot: Slot, result: RoundResult) -> None:
        """One slot. A kept output is read at once; it is wrong if it is not computed by then."""
        candidate = self._noted(slot.name)
        cold, each, out = candidate.slot(slot.inner, slot.start, slot.keep)
        if slot.keep is not None:
            result.outputs.append((slot.name, candidate.copy(slot.start + slot.keep + 1), candidate.output(out)))
        result.cold.setdefault(slot.name, []).append(cold)
        result.seconds.setdefault(slot.name, []).append(each)
        result.in_calls += cold + each * slot.inner

    def _noted(self, name: str) -> Candidate:
        """The candidate, once the note of its run is written."""
        self.note(name)
        return self.candidates[name]


def failure(error: Exception) -> Failure:
    """An exception of foreign code as an outcome and one line."""
    if isinstance(error, LoadError):
        return Failure(Outcome.UNAVAILABLE if error.unavailable else Outcome.UNLOADABLE, str(error))
    if isinstance(error, NotImplementedError | Unsupported):
        return Failure(Outcome.UNSUPPORTED, str(error) or "not implemented")
    return Failure(*unexpected(error))


def serve(channel: Channel, server: Server) -> None:
    """Answers until the other side closes. Imported objects are kept from the garbage collector."""
    while True:
        try:
            frame = channel.receive()
        except EOFError:
            return
        message = pickle.loads(frame.document)
        channel.reply(frame.request, server.answer(message))
        if isinstance(message, Load):
            gc.freeze()


if __name__ == "__main__":
    to_parent, box = channel_to_parent(sys.argv[1]), BlackBox(int(sys.argv[2]))
    bound(["attention_harness.timing", "attention_specs.attention", "attention_specs.properties"])
    serve(to_parent, Server(box.write))

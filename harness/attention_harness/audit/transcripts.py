"""Equal answers get equal verdicts: a property that gets the answers of a control bit for bit is not judged again.

Verdicts follow from the answers alone. The questions of a property to a control and the answers are a script. A function that
gives these answers to these questions would have been asked the same questions, and gets the verdict of the control.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from attention_harness.errors import CallFailed
from attention_harness.process.in_process import InProcessWorker
from attention_harness.process.messages import Answer, Request
from attention_harness.process.packing import Packed

Reply = Answer | CallFailed
Script = list[tuple[int, Request, Reply]]


class MemoWorker(InProcessWorker):
    """A function that is asked once for all properties of a case; only a question that one property repeats is asked again.

    So a property can be judged alone, with the calls that it has among others: those of an `UnderTest`, which remembers too.
    """

    def __init__(self, function: Callable[..., object], name: str = "") -> None:
        super().__init__(function, name)
        self.begin()

    def begin(self) -> None:
        """Another case begins."""
        self.known: dict[int, Reply] = {}
        self.property_()

    def property_(self) -> None:
        """Another property begins."""
        self.given: dict[int, list[Reply]] = defaultdict(list)
        self.restart()

    def restart(self) -> None:
        """The property begins once more: it gets the answers that it has had."""
        self.turn: Counter[int] = Counter()

    def reply_to(self, key: int, request: Request) -> Reply:
        """The answer, or the failure instead."""
        number, given = self.turn[key], self.given[key]
        self.turn[key] += 1
        if number == len(given):
            own = self.known.get(key) if number == 0 else None
            given.append(spoken(super().call, request) if own is None else own)
            self.known.setdefault(key, given[0])
        return given[number]

    def call(self, request: Request) -> Answer:
        """The answer. Raises CallFailed."""
        return heard(self.reply_to(key(request), request))


class RecordingWorker(MemoWorker):
    """A control that records the questions of a property, and its answers."""

    def begin(self) -> None:
        """Another case begins."""
        self.memory: dict[Packed, Packed] = {}
        self.asked: dict[int, Request] = {}
        super().begin()

    def property_(self) -> None:
        """Another property begins, with a script of its own."""
        super().property_()
        self.script: Script = []

    def reply_to(self, key: int, request: Request) -> Reply:
        """The reply, recorded."""
        own = super().reply_to(key, request)
        if key not in self.asked:
            self.asked[key] = self._lighter(request)
        self.script.append((key, self.asked[key], own))
        return own

    def _lighter(self, request: Request) -> Request:
        """The request on memory that it shares with earlier ones: most arrays of a case are asked about a hundred times."""

        def shared(packed: Packed) -> Packed:
            return self.memory.setdefault(packed, packed)

        arrays = {name: shared(packed) for name, packed in request.arrays.items()}
        options = {name: shared(o) if isinstance(o, Packed) else o for name, o in request.options.items()}
        beside = None if request.beside is None else self._lighter(request.beside)
        dout = None if request.dout is None else shared(request.dout)
        return replace(request, arrays=arrays, options=options, beside=beside, dout=dout)


class ComparedWorker(MemoWorker):
    """A function whose answers are compared with scripts."""

    def begin(self) -> None:
        """Another case begins."""
        super().begin()
        self.compared: dict[tuple[int, int], bool] = {}

    def follows(self, script: Script) -> bool:
        """Whether it gives the answers of the script, bit for bit."""
        self.restart()
        return all(self._alike(self.reply_to(key, request), reply) for key, request, reply in script)

    def _alike(self, own: Reply, reply: Reply) -> bool:
        """Compared once: both are kept as long as the case lasts, so their addresses name them."""
        pair = id(own), id(reply)
        if pair not in self.compared:
            self.compared[pair] = alike(own, reply)
        return self.compared[pair]


def spoken(call: Callable[[Request], Answer], request: Request) -> Reply:
    """The answer, or the failure instead of one."""
    try:
        return call(request)
    except CallFailed as failure:
        return failure


def heard(reply: Reply) -> Answer:
    """The answer. Raises the failure if it is one."""
    if isinstance(reply, CallFailed):
        raise reply
    return reply


def alike(a: Reply, b: Reply) -> bool:
    """Equal but for the time they took."""
    if isinstance(a, CallFailed) or isinstance(b, CallFailed):
        return isinstance(a, CallFailed) and isinstance(b, CallFailed) and (a.outcome, str(a)) == (b.outcome, str(b))
    if (a.changed, a.aliased, a.extra.keys()) != (b.changed, b.aliased, b.extra.keys()):
        return False
    return same(a.out, b.out) and all(same(a.extra[name], b.extra[name]) for name in a.extra)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Same dtype, shape and bits."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def key(request: Request) -> int:
    """A number that differs between the requests of a case."""
    options = tuple((name, o if isinstance(o, Packed) else repr(o)) for name, o in request.options.items())
    beside = None if request.beside is None else key(request.beside)
    return hash((tuple(request.arrays.items()), options, request.wanted, request.after, beside, request.wrt, request.dout))

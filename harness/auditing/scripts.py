"""The same answers are judged the same: a function that answers a case bit for bit as a sound one needs no verdict of its own.

Verdicts follow from the answers alone. So what a sound function was asked on a case, and what it answered, is a script; a
suspect that gives these answers to these questions would have been asked them and no others, and gets the verdicts of the sound one.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from harness.auditing.inside import Inside
from harness.isolation import Trouble
from harness.messages import Answer, Request
from harness.transport import Packed

Said = Answer | Trouble
Script = list[tuple[Request, Said]]


class Scripted(Inside):
    """A sound function that writes down what it is asked and what it answers, as long as a case lasts."""

    def __init__(self, function: Callable[..., Any], name: str = "") -> None:
        super().__init__(function, name)
        self.script: Script = []
        self.memory: dict[Packed, Packed] = {}

    def call(self, request: Request) -> Answer:
        """The answer, written down. Raises Trouble."""
        said = spoken(super().call, request)
        self.script.append((self._lighter(request), said))
        return heard(said)

    def _lighter(self, request: Request) -> Request:
        """The request on memory that it shares with earlier ones: most arrays of a case are asked about a hundred times."""

        def shared(packed: Any) -> Any:
            return self.memory.setdefault(packed, packed) if isinstance(packed, Packed) else packed

        arrays, options = ({name: shared(value) for name, value in part.items()} for part in (request.arrays, request.options))
        beside = None if request.beside is None else self._lighter(request.beside)
        return replace(request, arrays=arrays, options=options, beside=beside, dout=shared(request.dout))

    def begin(self) -> None:
        """Another case begins."""
        self.script, self.memory = [], {}


class Suspect(Inside):
    """A function whose answers to a script are kept, so that it is not asked again when it is judged by itself."""

    def __init__(self, function: Callable[..., Any], name: str = "") -> None:
        super().__init__(function, name)
        self.forget()

    def forget(self) -> None:
        """Another case begins."""
        self.kept: dict[int, deque[Said]] = defaultdict(deque)

    def follows(self, scripts: Sequence[Script]) -> int | None:
        """Which of these scripts, that begin with the same question, it answers bit for bit; None as soon as it is none."""
        if not all(scripts):
            return next((number for number, script in enumerate(scripts) if not script), None)
        first = self._own(scripts[0][0][0])
        number = next((n for n, script in enumerate(scripts) if alike(first, script[0][1])), None)
        if number is None or not all(alike(self._own(request), said) for request, said in scripts[number][1:]):
            return None
        self.forget()
        return number

    def _own(self, request: Request) -> Said:
        own = spoken(super().call, request)
        self.kept[key(request)].append(own)
        return own

    def call(self, request: Request) -> Answer:
        """An answer that was kept, else a new one. Raises Trouble."""
        kept = self.kept[key(request)] if self.kept else None
        return heard(kept.popleft()) if kept else super().call(request)


def spoken(call: Callable[[Request], Answer], request: Request) -> Said:
    """The answer, or the trouble instead of one."""
    try:
        return call(request)
    except Trouble as trouble:
        return trouble


def heard(said: Said) -> Answer:
    """The answer. Raises the trouble if it is one."""
    if isinstance(said, Trouble):
        raise said
    return said


def alike(a: Said, b: Said) -> bool:
    """Equal but for the time they took."""
    if isinstance(a, Trouble) or isinstance(b, Trouble):
        return isinstance(a, Trouble) and isinstance(b, Trouble) and (a.outcome, str(a)) == (b.outcome, str(b))
    if (a.changed, a.aliased, a.extra.keys()) != (b.changed, b.aliased, b.extra.keys()):
        return False
    return same(a.out, b.out) and all(same(a.extra[name], b.extra[name]) for name in a.extra)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Same dtype, shape and bits."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def key(request: Request) -> int:
    """A number that tells requests of a case apart."""
    options = tuple((name, o if isinstance(o, Packed) else repr(o)) for name, o in request.options.items())
    beside = None if request.beside is None else key(request.beside)
    return hash((tuple(request.arrays.items()), options, request.wanted, beside, request.wrt, request.dout))

"""Messages between a check and the worker of an implementation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from attention_harness.errors import Outcome
from attention_harness.process.packing import Packed


@dataclass(frozen=True)
class Guard:
    """The arrays of a call that memory which nobody may touch lies "behind", or "in front of"."""

    side: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """One call: positional arrays by name, keyword options (arrays packed), names of further results wanted.

    `beside` is a call that another thread makes at the same time; its answer is dropped. With an output gradient `dout`, the
    gradients to the arguments that `wrt` names are the further results. With `operator` the framework checks the operator on
    this call: the answer is empty, and a complaint a failure. Arrays that `after` names are further results, as the call leaves them.
    """

    arrays: dict[str, Packed]
    options: dict[str, object]
    wanted: tuple[str, ...] = ()
    beside: Request | None = None
    wrt: tuple[str, ...] = ()
    dout: Packed | None = None
    guard: Guard | None = None
    operator: bool = False
    after: tuple[str, ...] = ()

    @property
    def kind(self) -> tuple[object, ...]:
        """The same for requests that differ in the numbers of their arrays alone."""
        sent = [*self.arrays.items(), *self.options.items()]
        return self.wanted, self.wrt, tuple((n, (a.dtype, a.shape) if isinstance(a, Packed) else str(a)) for n, a in sent)


@dataclass(frozen=True)
class Answer:
    """The output, further results by name, arrays that were changed or share memory with the output, and seconds."""

    out: np.ndarray
    extra: dict[str, np.ndarray]
    changed: tuple[str, ...]
    aliased: tuple[str, ...]
    seconds: float


Kind = Literal[
    Outcome.UNSUPPORTED,
    Outcome.ERRORED,
    Outcome.VIOLATES,
    Outcome.OUT_OF_MEMORY,
    Outcome.CRASHED,
    Outcome.UNAVAILABLE,
    Outcome.UNLOADABLE,
]
"""The outcomes that a worker may report; foreign code must not be able to report the others."""


LONGEST_TEXT = 4096
"""Characters of an exception that are kept."""


def cut(text: str) -> str:
    """The text, or its beginning and its end, with the number of characters between them."""
    left_out = len(text) - LONGEST_TEXT
    half = LONGEST_TEXT // 2
    return f"{text[:half]} [{left_out} characters left out] {text[-half:]}" if left_out > 0 else text


@dataclass(frozen=True)
class Failure:
    """An exception of the foreign code. `kind` is its outcome. A longer text than LONGEST_TEXT is cut on both sides of the pipe."""

    kind: Kind
    message: str
    trace: str = ""

    def __post_init__(self) -> None:
        for name in ("message", "trace"):
            object.__setattr__(self, name, cut(getattr(self, name)))

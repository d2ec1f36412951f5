"""Progress of a check in a notebook: one line, replaced as the check goes on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from time import monotonic

from attention_harness.conformance.plan import Listener
from attention_harness.errors import printable

SECONDS = 0.25
"""Between two updates: each is a message to the browser."""


@dataclass
class ProgressLine:
    """The state of a check, as text and for a notebook."""

    name: str
    total: int
    cases: int = 0
    failure: str = ""
    began: float = field(default_factory=monotonic)

    def __repr__(self) -> str:
        line = f"{self.name}: {self.cases} of {self.total} cases, {monotonic() - self.began:.0f} s"
        return f"{line}\n{printable(self.failure)}" if self.failure else line

    def _repr_html_(self) -> str:
        lines = escape(repr(self)).replace("\n", "<br>")
        return f'<progress value="{self.cases}" max="{self.total}"></progress> {lines}'


@contextmanager
def notebook_progress(name: str, total: int) -> Iterator[Listener]:
    """Shows cases, seconds and the first failure where the process is the kernel of a notebook, and nothing elsewhere.

    By IPython's own display, since the bars of other libraries need widgets, which not every notebook has.
    """
    if not in_notebook():
        yield Listener()
        return
    from IPython.display import display

    line, last = ProgressLine(name, total), monotonic()
    handle = display(line, display_id=True)

    def step() -> None:
        nonlocal last
        line.cases += 1
        if monotonic() - last > SECONDS:
            last = monotonic()
            handle.update(line)

    def failed(sentence: str) -> None:
        line.failure = sentence
        handle.update(line)

    yield Listener(step, failed)
    line.total = line.cases
    handle.update(line)


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    return getattr(ipython and ipython.get_ipython(), "kernel", None) is not None

"""Progress display of a run: a bar on a terminal; elsewhere a line for each finished implementation, and one every 15 seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from attention_harness.conformance.check import CheckResult
from attention_harness.errors import Outcome
from attention_harness.runs.run import Progress

SECONDS = 15.0
"""Time between two lines where there is no terminal: a log shows that the command is alive."""


@contextmanager
def check_progress(task: str, quiet: bool) -> Iterator[Progress]:
    """Progress on standard error; nothing if quiet."""
    console = Console(stderr=True)
    if quiet:
        yield Progress()
    elif console.is_terminal:
        with Bar(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
        ) as bar:
            yield _on(bar, task)
    else:
        steps = Steps(task)
        with heartbeat(steps.line):
            yield Progress(
                step=steps.step,
                failed=lambda name, sentence: print(_failure(name, sentence), file=sys.stderr, flush=True),
                done=lambda checked: print(_line(checked), file=sys.stderr, flush=True),
                start=steps.start,
            )


def _on(bar: Bar, task: str) -> Progress:
    identity = bar.add_task(task, total=None)
    return Progress(
        step=lambda name: bar.update(identity, advance=1, description=f"{task} {name}"),
        failed=lambda name, sentence: bar.console.print(_failure(name, sentence), markup=False, highlight=False),
        done=lambda checked: bar.console.print(_line(checked), markup=False, highlight=False),
        start=lambda total: Thread(target=lambda: bar.update(identity, total=total()), daemon=True).start(),
    )


def _failure(name: str, sentence: str) -> str:
    """The first failure of an implementation, as it was met: the rest of the check makes it small."""
    return f"{name} {sentence}"


@contextmanager
def progress_bar(task: str, total: int, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Called for each of so many steps: a bar on a terminal, nothing elsewhere."""
    console = Console(stderr=True)
    if quiet:
        yield lambda name: None
        return
    if not console.is_terminal:
        steps = Steps(task, lambda: total)
        with heartbeat(steps.line):
            yield steps.step
        return
    with Bar(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console) as bar:
        identity = bar.add_task(task, total=total)
        yield lambda name: bar.update(identity, advance=1)


def _line(checked: CheckResult) -> str:
    """`numpy-eager: agrees`, or the failures in a few words."""
    outcomes = {row.outcome for row in checked.rows}
    wrong = sorted(outcome for outcome in outcomes if outcome.wrong)
    if checked.description is None:
        return f"{checked.name}: {checked.rows[0].outcome} ({checked.rows[0].message})"
    if checked.too_little and not wrong:
        return f"{checked.name}: {checked.rows[-1].message}"
    good = [name for name in (Outcome.AGREES, Outcome.WAIVED) if name in outcomes]
    return f"{checked.name}: {', '.join(wrong or good) or 'nothing judged'}"


@contextmanager
def status_line(task: str, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Shows the current step: a spinner on a terminal, lines elsewhere, nothing if quiet."""
    console = Console(stderr=True)
    if quiet:
        yield lambda line: None
    elif console.is_terminal:
        with console.status(task) as status:
            yield lambda line: status.update(f"{task} {line}")
    else:
        steps = Steps(task)
        with heartbeat(steps.line):
            yield steps.tell


class Steps:
    """The steps of a task, counted for a log."""

    def __init__(self, task: str, total: Callable[[], int] | None = None) -> None:
        self.task, self.total, self.number, self.last, self.began = task, total, 0, "", monotonic()

    def start(self, total: Callable[[], int]) -> None:
        """The number of steps is known, once it is asked for."""
        self.total = total

    def step(self, name: str) -> None:
        """One more step, about this name."""
        self.number, self.last = self.number + 1, name

    def tell(self, line: str) -> None:
        """A step of its own line."""
        self.last = line
        print(f"{self.task} {line}", file=sys.stderr, flush=True)

    def line(self) -> str:
        """The state of the task: `checking mine.py:attention: 120 of 4,826 cases after 15 s`."""
        of = f" of {self.total():,}" if self.total else ""
        count = f"{self.number:,}{of} steps " if self.number else ""
        return f"{self.task}{' ' if self.last else ''}{self.last}: {count}after {monotonic() - self.began:.0f} s"


@contextmanager
def heartbeat(line: Callable[[], str], seconds: float | None = None) -> Iterator[None]:
    """Prints the line on standard error every so many seconds, from a thread, since a single step may take longer."""
    over = Event()

    def beat() -> None:
        while not over.wait(SECONDS if seconds is None else seconds):
            print(line(), file=sys.stderr, flush=True)

    thread = Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()

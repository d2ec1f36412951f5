"""Progress where there is no terminal: a line every so many seconds, whether steps end or not."""

from __future__ import annotations

from contextlib import contextmanager, redirect_stderr
from threading import Event
from time import sleep

import pytest

from attention_harness.runs import progress
from attention_harness.runs.progress import check_progress, progress_bar, status_line


class Err:
    """Standard error that is no terminal; `lines` of it can be waited for."""

    def __init__(self):
        self.text, self.came = "", Event()

    def write(self, text):
        self.text += text
        self.came.set()

    def flush(self): ...

    def isatty(self):
        return False

    def waited(self):
        assert self.came.wait(10)
        return self.text


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(progress, "SECONDS", 0.05)


@contextmanager
def listening():
    """Set up in the test itself: pytest has its own standard error between fixtures and tests."""
    stream = Err()
    with redirect_stderr(stream):
        yield stream


def test_a_check_says_how_far_it_is():
    with listening() as err, check_progress("checking", quiet=False) as display:
        display.start(lambda: 1200)
        for _ in range(2):
            display.step("mine.py:attention")
        assert err.waited().splitlines()[0].startswith("checking mine.py:attention: 2 of 1,200 steps after 0 s")


@pytest.mark.parametrize("display", [status_line, lambda task, quiet: progress_bar(task, 9, quiet)], ids=["status", "bar"])
def test_so_does_every_other_display(display):
    with listening() as err, display("timing", quiet=False) as step:
        step("gpt2-small")
        assert "timing gpt2-small" in err.waited()


def test_a_step_that_takes_long_does_not_silence_it_and_its_end_does():
    with listening() as err:
        with status_line("probing", quiet=False):
            assert err.waited()
        seen = err.text
        sleep(0.2)
        assert err.text == seen


@pytest.mark.parametrize("display", [status_line, check_progress, lambda task, quiet: progress_bar(task, 9, quiet)])
def test_a_quiet_command_says_nothing(display):
    with listening() as err, display("checking", quiet=True):
        assert not err.came.wait(0.2)

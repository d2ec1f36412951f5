"""A text that one process makes for all: who waits, and what a process leaves that ends early."""

from __future__ import annotations

import os
import subprocess
import sys
from time import monotonic

import pytest

from attention_harness.runs.pytest_plugin.once import AbandonedError, once

HEAD = "import os, sys, time\nfrom pathlib import Path\nfrom attention_harness.runs.pytest_plugin.once import once\n"


def process(path, code):
    """A process that makes the text by `make()`, and says so when it has begun."""
    program = f"{HEAD}def make():\n    print('begun', flush=True)\n    {code}\nonce(Path({str(path)!r}), make)\n"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    started = subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True)
    assert started.stdout.readline() == "begun\n"
    return started


def refused():
    raise AssertionError("made a second time")


def test_it_is_made_once(tmp_path):
    path = tmp_path / "text"
    assert once(path, lambda: "made") == "made"
    assert once(path, refused) == "made"


def test_others_wait_for_the_first(tmp_path):
    first = process(tmp_path / "text", "time.sleep(0.5); return 'first'")
    with first.stdout:
        assert once(tmp_path / "text", refused) == "first"
        assert first.wait(timeout=10) == 0


def test_nobody_waits_for_a_dead_process_nor_for_its_child(tmp_path):
    path = tmp_path / "text"
    first = process(path, "os.fork() or time.sleep(5); os._exit(3)")
    with first.stdout:
        pass
    first.kill()
    first.wait(timeout=10)
    began = monotonic()
    for _ in range(2):
        with pytest.raises(AbandonedError):
            once(path, refused)
    assert monotonic() - began < 3


def test_an_exception_leaves_it_to_the_next(tmp_path):
    path = tmp_path / "text"
    with pytest.raises(KeyboardInterrupt):
        once(path, lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    assert once(path, lambda: "second") == "second"

"""A command that is interrupted, meets a full disk or a fault of ours ends at once, with one line, and leaves no process running."""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
import signal
import subprocess
import sys
from time import monotonic, sleep

import psutil
import pytest

from attention_harness.cli.app import main
from attention_harness.runs import ending
from attention_harness.runs import run as running
from attention_harness.runs.run import Run

SECONDS, STARTED = 3, 60
SLOW = "import time\ndef {name}(q, k, v):\n    time.sleep(600)\n"
CHECK = ["check", "numpy-eager", "--examples", "2", "--dtype", "float32", "--property", "output_agrees_with_the_oracle"]


@pytest.fixture
def busy(tmp_path):
    """A check of three functions that hang, two at once, and the processes that it started."""
    names = ("one", "two", "three")
    (tmp_path / "slow.py").write_text("".join(SLOW.format(name=name) for name in names))
    command = [sys.executable, "-m", "attention_harness", "check", *(f"slow.py:{name}" for name in names), "--output", "run"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path)}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    own, deadline = psutil.Process(process.pid), monotonic() + STARTED
    while len(workers(own)) < 2 and monotonic() < deadline:
        sleep(0.1)
    yield process, own.children(recursive=True)
    process.kill()
    process.communicate()


def workers(process):
    return [child for child in process.children(recursive=True) if is_worker(child)]


def is_worker(child):
    with contextlib.suppress(psutil.Error):  # it ended while we looked
        return "attention_harness.process.server" in child.cmdline()
    return False


def spared(process, children):
    """A process of the pool: it started a worker."""
    return next(child.ppid() for child in children if is_worker(child))


@pytest.mark.slow
@pytest.mark.parametrize(
    "send",
    [
        lambda process, children: os.kill(process.pid, signal.SIGINT),
        lambda process, children: os.kill(process.pid, signal.SIGTERM),
        lambda process, children: os.killpg(process.pid, signal.SIGINT),
        lambda process, children: os.kill(spared(process, children), signal.SIGINT),
        lambda process, children: [os.killpg(process.pid, signal.SIGINT) for _ in range(2)],
    ],
    ids=["interrupt", "terminate", "whole group", "a process of the pool", "twice"],
)
def test_a_signal_ends_everything_and_says_how_to_go_on(send, busy, tmp_path):
    process, children = busy
    start = monotonic()
    send(process, children)
    _, errors = process.communicate(timeout=STARTED)
    assert monotonic() - start < SECONDS
    assert "finished results are kept in run, `attention-harness check --resume run` goes on" in errors
    assert "Traceback" not in errors
    assert process.returncode in (130, 143)
    _, alive = psutil.wait_procs(children, timeout=SECONDS)
    assert not alive
    assert not json.loads((tmp_path / "run" / "run.json").read_text())["complete"]


def broken(error):
    def fails(*arguments, **options):
        raise error

    return fails


def test_a_fault_of_ours_is_one_line_with_a_status_of_its_own(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(running, "tables", broken(TypeError("a < b\nfor arrays")))
    assert main([*CHECK, "--output", str(tmp_path / "run")]) == 70
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("attention-harness: ")]
    assert len(lines) == 1
    assert "a fault of the harness, not of an implementation: TypeError: a < b for arrays; its traceback is in" in lines[0]
    assert "Traceback" in (tmp_path / "run" / "fault.txt").read_text()


def test_the_traceback_is_shown_where_it_is_asked_for(monkeypatch, capsys):
    monkeypatch.setenv(ending.TRACEBACK, "1")
    monkeypatch.setattr("attention_harness.cli.list.resolve", broken(RuntimeError("ours")))
    assert main(["list"]) == 70
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("place", ["append", "save"])
def test_a_full_disk_is_one_line_and_what_was_written_stays(place, monkeypatch, tmp_path, capsys):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if place == "append":
        monkeypatch.setattr(Run, "append", broken(full))
    else:
        monkeypatch.setattr(running, "run_metadata", broken(full))
    assert main([*CHECK, "--output", str(tmp_path / "run")]) == 70
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("attention-harness: ")]
    assert len(lines) == 1
    assert "disk=No space left on device, but should have room; finished results are kept in" in lines[0]
    monkeypatch.undo()
    full.with_traceback(None)  # it holds the run, and so its lock; the end of a process frees it
    gc.collect()
    assert main(["check", "--resume", str(tmp_path / "run"), "--json"]) == 0


def test_an_import_error_sends_no_control_characters_to_the_terminal(tmp_path, capsys):
    (tmp_path / "loud.py").write_text(
        "raise ValueError('\\x1b[31mred\\x1b[0m\\nsecond line')\ndef attention(q, k, v): return q\n"
    )
    assert main(["check", f"{tmp_path / 'loud.py'}:attention", "--output", str(tmp_path / "run")]) == 2
    message = capsys.readouterr().err
    assert "\\x1b[31mred" in message
    assert "\x1b" not in message
    assert message.count("\n") == 1

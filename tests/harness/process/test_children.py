"""Processes that foreign code starts end with its worker, and their memory counts."""

from __future__ import annotations

import numpy as np
import psutil
import pytest

from attention_harness.errors import CallFailed
from attention_harness.process.group import PREFIX, own_folder
from attention_harness.process.limits import Limits
from attention_harness.process.messages import Request
from attention_harness.process.packing import pack
from attention_harness.process.sandbox import WRITABLE
from attention_harness.process.worker import Worker
from attention_harness.registry.targets import Target

REQUEST = Request({name: pack(np.zeros((1, 1, 1, 1), np.float32)) for name in "qkv"}, {})

CHILDREN = """
import os, subprocess, sys, time
from pathlib import Path

SLEEP = "import time; time.sleep(600)"
GROW = "kept = bytearray(b'x' * 400 * 2**20); import time; time.sleep(600)"


def child(code, **given):
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, **given)
    Path(__file__ + ".pid").write_text(str(process.pid))


def leaves(q, k, v):
    child(SLEEP)
    return q + 1


def leaves_an_orphan(q, k, v):
    subprocess.run([sys.executable, "-c", f"import sys, {Path(__file__).stem}; {Path(__file__).stem}.child({SLEEP!r}, env={{}})"],
                   env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)}, check=True)
    return q + 1


def leaves_and_ends(q, k, v):
    child(SLEEP)
    os._exit(3)


def leaves_an_orphan_and_ends(q, k, v):
    leaves_an_orphan(q, k, v)
    os._exit(3)


def grows(q, k, v):
    child(GROW)
    time.sleep(60)


def forks(q, k, v):
    kept = bytearray(b"x" * 150 * 2**20)
    children = [os.fork() for _ in range(3) if os.getpid() == PARENT]
    time.sleep(3)
    if os.getpid() != PARENT:
        os._exit(0)
    return q + len(kept[:1])


def kills_itself(q, k, v):
    os.kill(os.getpid(), 9)


def answers(q, k, v):
    return q + 1


PARENT = os.getpid()
"""


@pytest.fixture
def worker_with_children(tmp_path, monkeypatch):
    monkeypatch.setenv(WRITABLE, str(tmp_path))
    path = tmp_path / "children.py"
    path.write_text(CHILDREN)

    def worker(name, **limits):
        return Worker(Target(name, f"{path}:{name}", registered=False), Limits(**limits))

    return worker, path.with_name("children.py.pid")


def runs(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("name", ["leaves", "leaves_an_orphan"])
def test_children_in_sessions_of_their_own_end_with_the_worker(worker_with_children, name):
    worker, noted = worker_with_children
    with worker(name) as answering:
        assert answering.call(REQUEST).out.item() == 1
        child = int(noted.read_text())
        assert runs(child)
    assert not runs(child)


def test_children_of_a_worker_that_ends_itself_end_too(worker_with_children):
    worker, noted = worker_with_children
    with worker("leaves_and_ends") as ending, pytest.raises(CallFailed, match="exited with status 3"):
        ending.call(REQUEST)
    assert not runs(int(noted.read_text()))


def test_no_group_is_left(worker_with_children):
    worker, _ = worker_with_children
    if folder := own_folder():
        with worker("leaves") as answering:
            answering.call(REQUEST)
            (own,) = {one.name for one in folder.glob(f"{PREFIX}*") if one.name == PREFIX + answering.foreign.mark}
        assert not (folder / own).exists()


@pytest.mark.skipif(own_folder() is None, reason="no control group can be made here")
def test_an_orphan_without_a_mark_ends_with_a_worker_that_ends_itself(worker_with_children):
    worker, noted = worker_with_children
    with worker("leaves_an_orphan_and_ends") as ending, pytest.raises(CallFailed, match="exited with status 3"):
        ending.call(REQUEST)
    assert not runs(int(noted.read_text()))


def test_memory_of_children_counts(worker_with_children):
    worker, noted = worker_with_children
    with worker("grows", memory=300) as growing, pytest.raises(CallFailed, match="MiB, but should stay below 300 MiB") as caught:
        growing.call(REQUEST)
    assert caught.value.outcome == "out-of-memory"
    assert not runs(int(noted.read_text()))


def test_memory_that_children_share_counts_once(worker_with_children):
    worker, _ = worker_with_children
    with worker("forks", memory=400) as forking:
        assert forking.call(REQUEST).out.item() == 1


def test_a_worker_that_somebody_kills_is_asked_again(worker_with_children):
    """The system kills a process for want of memory, which others may have used."""
    worker, _ = worker_with_children
    with worker("answers") as killed:
        for starts in (1, 2, 3):
            assert killed.call(REQUEST).out.item() == 1
            assert killed.starts == starts
            killed.process.kill()


def test_a_worker_that_is_killed_each_time_crashes(worker_with_children):
    worker, _ = worker_with_children
    with worker("kills_itself") as killed:
        with pytest.raises(CallFailed, match="was killed by SIGKILL") as caught:
            killed.call(REQUEST)
        assert (caught.value.outcome, killed.starts) == ("crashed", 2)

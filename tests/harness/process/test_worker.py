"""Foreign code may do anything: each disaster is an outcome, and the next call works."""

from __future__ import annotations

import os
from time import monotonic

import numpy as np
import psutil
import pytest

from attention_harness.errors import CallFailed
from attention_harness.process.limits import Limits
from attention_harness.process.messages import Request
from attention_harness.process.packing import pack
from attention_harness.process.sandbox import WRITABLE
from attention_harness.process.server import Server
from attention_harness.process.worker import Worker, descriptions, load_ahead, stop_loaded
from attention_harness.registry.targets import Target
from attention_specs.contract import Description

FUNCTIONS = """
import ctypes
import os
import signal
import subprocess
import sys
import time

import numpy as np


def misbehaves(what):
    def attention(q, k, v, *, scale=None, return_lse=False):
        if q.shape[2] > 1:
            return what(q)
        return q + 1
    return attention


def _ignores_sigterm(q):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)


def _leaves_a_child(q):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    open(sys.modules[__name__].__file__ + ".pid", "w").write(str(child.pid))
    time.sleep(600)


def _grows(q):
    kept = []
    while True:
        kept.append(np.ones(2**21))
        time.sleep(0.005)


def _raises(error):
    def raise_it(q):
        raise error
    return raise_it


def _prints(q):
    print("hello from the other side")
    sys.stdout.flush()
    os.write(1, b"and past Python" * 10_000)
    return q + 2


segfaults = misbehaves(lambda q: ctypes.string_at(0))
aborts = misbehaves(lambda q: os.abort())
leaves = misbehaves(lambda q: os._exit(0))
leaves_with_words = misbehaves(lambda q: (os.write(2, b"out of cheese" + bytes([10])), os._exit(3)))
hangs = misbehaves(_ignores_sigterm)
leaves_a_child = misbehaves(_leaves_a_child)
grows = misbehaves(_grows)
errs = misbehaves(_raises(ValueError("no such shape")))
lost = []


def _loses_the_device(q):
    lost.append(True)
    raise RuntimeError("CUDA error: an illegal memory access was encountered" + chr(10) + "and what to do about it")


def loses_the_device(q, k, v, *, scale=None):
    return _loses_the_device(q) if lost or q.shape[2] > 1 else q + 1


refuses = misbehaves(_raises(NotImplementedError("no queries beyond one")))
lacks_memory = misbehaves(_raises(MemoryError("too much")))
answers_with_a_list = misbehaves(lambda q: [1.0])
answers_with_nothing = misbehaves(lambda q: None)
answers_with_a_pair = misbehaves(lambda q: (q, q))
prints = misbehaves(_prints)
interrupts = misbehaves(_raises(KeyboardInterrupt()))
exits = misbehaves(lambda q: sys.exit(5))
"""


def asked(length, **options):
    return Request({name: pack(np.zeros((1, 1, length, 1), np.float32)) for name in "qkv"}, options)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("foreign") / "misbehaving.py"
    path.write_text(FUNCTIONS)
    return path


@pytest.fixture
def worker_of(file):
    workers = []

    def worker(name, **limits):
        workers.append(Worker(Target(name, f"{file}:{name}", registered=False), Limits(**limits)))
        return workers[-1]

    yield worker
    for worker in workers:
        worker.__exit__()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "outcome", "message", "limits", "starts"),
    [
        ("segfaults", "crashed", "SIGSEGV", {}, 2),
        ("aborts", "crashed", "SIGABRT", {}, 2),
        ("leaves", "crashed", "exited with status 0", {}, 2),
        ("leaves_with_words", "crashed", "exited with status 3; its last words: out of cheese", {}, 2),
        ("hangs", "timed-out", "no answer after 2 s", {"seconds": 2.0}, 2),
        ("grows", "out-of-memory", "MiB, but should stay below 300 MiB", {"memory": 300}, 2),
        ("errs", "errored", "ValueError: no such shape", {}, 1),
        ("refuses", "unsupported", "no queries beyond one", {}, 1),
        ("lacks_memory", "out-of-memory", "MemoryError: too much", {}, 1),
        ("answers_with_a_list", "errored", "output=list, but should be numpy.ndarray", {}, 1),
        ("answers_with_nothing", "errored", "output=NoneType, but should be numpy.ndarray", {}, 1),
        ("answers_with_a_pair", "errored", "output=a tuple of 2, but should be one array", {}, 1),
        ("loses_the_device", "crashed", "RuntimeError: CUDA error: an illegal memory access was encountered$", {}, 2),
        ("interrupts", "crashed", "exited with status|KeyboardInterrupt|SIGINT", {}, 2),
        ("exits", "crashed", "exited with status 5", {}, 2),
    ],
)
def test_a_disaster_is_an_outcome_and_the_next_call_works(worker_of, name, outcome, message, limits, starts):
    worker = worker_of(name, **limits)
    assert worker.call(asked(1)).out.item() == 1
    began = monotonic()
    with pytest.raises(CallFailed, match=message) as caught:
        worker.call(asked(2))
    assert caught.value.outcome == outcome
    assert monotonic() - began < 10
    assert worker.call(asked(1)).out.item() == 1
    assert worker.starts == starts


def test_one_process_describes_many_and_another_goes_on_where_it_ends(tmp_path):
    (tmp_path / "deadly.py").write_text("import os; os._exit(4)")
    (tmp_path / "pid.py").write_text(
        "import os\ndef attention(q, k, v): ...\ndef other(q, k, v): ...\nattention.__doc__ = other.__doc__ = str(os.getpid())"
    )
    places = (
        f"{tmp_path}/pid.py:attention",
        f"{tmp_path}/pid.py:missing",
        f"{tmp_path}/pid.py:other",
        f"{tmp_path}/deadly.py:attention",
    )
    targets = [Target(str(n), place, registered=False) for n, place in enumerate((*places, places[0]))]
    one, missing, other, dead, again = descriptions(targets)
    assert [one.name, other.name, again.name] == ["0", "2", "4"]
    assert one.summary == other.summary != again.summary
    assert missing.outcome == "unloadable"
    assert (dead.outcome, "exited with status 4" in str(dead)) == ("crashed", True)
    assert not [process for process in psutil.Process().children() if str(process.pid) in (one.summary, again.summary)]


@pytest.fixture
def ahead(file):
    """A target that is loaded ahead, and the process that has loaded it."""
    before = {*psutil.Process().children()}
    target = Target("prints", f"{file}:prints", registered=False)
    load_ahead(target, Limits())
    (process,) = {*psutil.Process().children()} - before
    yield target, process
    stop_loaded()


def test_the_next_worker_takes_over_the_process_that_is_loaded_ahead(ahead):
    target, process = ahead
    with Worker(target) as worker, Worker(target) as another:
        assert worker.description().name == another.description().name == "prints"
        assert worker.process.pid == process.pid != another.process.pid
        assert worker.call(asked(1)).out.item() == 1
        assert worker.starts == 1
    assert not process.is_running()


def test_a_worker_with_other_limits_or_variables_starts_its_own(ahead):
    target, process = ahead
    for other in (Worker(target, Limits(seconds=7.0)), Worker(target, variables={})):
        with other as worker:
            worker.description()
            assert worker.process.pid != process.pid
    assert process.is_running()


def test_a_process_that_nobody_takes_over_is_stopped(ahead):
    stop_loaded()
    assert not ahead[1].is_running()


def test_what_it_prints_does_not_disturb_the_answer(worker_of, capfd):
    worker = worker_of("prints")
    assert worker.call(asked(2)).out.ravel().tolist() == [2, 2]
    assert worker.call(asked(1)).out.item() == 1
    assert capfd.readouterr() == ("", "")


def test_children_of_a_hanging_call_die_with_it(worker_of, file, monkeypatch):
    monkeypatch.setenv(WRITABLE, str(file.parent))
    worker = worker_of("leaves_a_child", seconds=3.0)
    with pytest.raises(CallFailed, match="no answer"):
        worker.call(asked(2))
    child = int(file.with_name(file.name + ".pid").read_text())
    until = monotonic() + 5
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE and monotonic() < until:
        os.sched_yield()
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_a_worker_that_died_between_two_calls_is_noticed(worker_of):
    worker = worker_of("errs")
    assert worker.call(asked(1)).out.item() == 1
    os.kill(worker.process.pid, 15)
    worker.process.wait()
    with pytest.raises(CallFailed, match="SIGTERM"):
        worker.call(asked(1))
    assert worker.call(asked(1)).out.item() == 1


def test_a_function_that_cannot_be_loaded_is_unavailable_each_time(file):
    with Worker(Target("absent", f"{file}:absent", registered=False)) as worker:
        for _ in range(2):
            with pytest.raises(CallFailed, match="should name a function of that module") as caught:
                worker.description()
            assert caught.value.outcome == "unloadable"


def test_leaving_stops_the_process(file):
    with Worker(Target("errs", f"{file}:errs", registered=False)) as worker:
        worker.call(asked(1))
        process = worker.process
    assert process.poll() is not None


IMPURE = """
def writes(q, k, v):
    q[...] = 7
    return k + 0


def returns_a_view(q, k, v):
    return v[:, :, ::-1]


def slow_and_threads(q, k, v):
    import os
    return q * 0 + float(os.environ["OMP_NUM_THREADS"])
"""


def test_the_worker_sees_what_was_written_and_what_is_shared(tmp_path):
    path = tmp_path / "impure.py"
    path.write_text(IMPURE)
    seen = {}
    for name in ("writes", "returns_a_view", "slow_and_threads"):
        with Worker(Target(name, f"{path}:{name}", registered=False)) as worker:
            seen[name] = worker.call(asked(2))
    assert (seen["writes"].changed, seen["writes"].aliased) == (("q",), ())
    assert (seen["returns_a_view"].changed, seen["returns_a_view"].aliased) == ((), ("v",))
    assert seen["slow_and_threads"].out.max() == 1


def test_what_was_written_on_another_device_is_seen_too(monkeypatch):
    def writes(q, k, v, *, mask=None):
        k[...] = 7
        mask[...] = False
        return q + 0

    server = Server(writes, Description("writes", device="elsewhere", options=("mask",)))
    monkeypatch.setattr(server.framework, "from_numpy", lambda array, device: array.copy())
    zeros = {name: pack(np.zeros((1, 1, 2, 1), np.float32)) for name in "qkv"}
    answer = server.answer(Request(zeros, {"mask": pack(np.ones((1, 1, 2, 2), bool))}))
    assert answer.changed == ("k", "mask")

"""What foreign code can do to the machine and to the judge: little, and what is missing on a machine is said."""

from __future__ import annotations

import os
import socket
import sys

import numpy as np
import pytest

from attention_harness.errors import CallFailed
from attention_harness.process import filters, sandbox
from attention_harness.process.arena import SIZE, Arena
from attention_harness.process.framing import Channel
from attention_harness.process.messages import LONGEST_TEXT, Failure, Request, cut
from attention_harness.process.packing import pack
from attention_harness.process.server import refuse_to_start
from attention_harness.process.supervised import MOST_OUTPUT
from attention_harness.process.worker import Worker
from attention_harness.registry.targets import Target
from attention_harness.runs.environment import environment
from attention_specs.contract import Description

landlock = pytest.mark.skipif(sandbox.version() == 0, reason="this kernel has no Landlock")

FUNCTIONS = """
import ctypes
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from attention_harness import assert_attention_close, check_attention, parametrize_with_properties

HERE = Path(__file__)
PARENT = os.getppid()


@parametrize_with_properties("function", "anything")
def test_of_a_user(function):
    check_attention(function)


def does(what):
    def attention(q, k, v, *, scale=None):
        what(q)
        return q + 1
    return attention


def at_home():
    Path(HERE.with_name("written")).write_text("x")


def in_a_child():
    subprocess.run([sys.executable, "-c", f"open({str(HERE.with_name('written'))!r}, 'w')"], check=True, capture_output=True)


def scratch(q):
    with tempfile.TemporaryFile() as file:
        file.write(b"x")
    lock = multiprocessing.Lock()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.map(abs, [-1]) == [1]
    subprocess.run(["true"], check=True)
    Path("/dev/null").write_text("x")


def memory():
    if ctypes.CDLL(None, use_errno=True).process_vm_readv(PARENT, None, 0, None, 0, 0) < 0:
        raise PermissionError(ctypes.get_errno(), "memory")


def imports_around():
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "attention_harness.process.own_modules"]
    for name in [name for name in sys.modules if "oracle" in name]:
        del sys.modules[name]
    from attention_specs.attention.oracle import expected


def reads_the_source():
    import attention_specs
    (Path(attention_specs.__file__).parent / "properties" / "calls.py").read_text()


def calls_the_oracle():
    from attention_specs.attention.oracle import expected
    expected(1)


def checks_itself():
    check_attention(checks_itself)


def writes_and_says_nothing(q, k, v):
    frame = sys._getframe()
    import __main__
    __main__._differs = lambda buffer, sent: False
    q += 1
    return q + 0


def writes_to_an_option(q, k, v, *, mask=None):
    if mask is not None:
        mask[...] = False
    return q + 0


def loud(q, k, v):
    line = b"x" * 2**16
    for _ in range(200):
        os.write(1, line)
    import time
    time.sleep(0.3)
    return q + os.fstat(1).st_size


def long(q, k, v):
    raise ValueError("a" * 10**6 + "the end")


for name in ("at_home", "in_a_child", "memory", "imports_around", "reads_the_source", "calls_the_oracle", "checks_itself"):
    globals()[name + "_"] = does(lambda q, name=name: globals()[name]())
scratch_ = does(scratch)
tcp_ = does(lambda q: socket.socket())
udp_ = does(lambda q: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
local_ = does(lambda q: socket.socketpair())
kills_ = does(lambda q: os.kill(PARENT, signal.SIGKILL))
environment_ = does(lambda q: Path(f"/proc/{PARENT}/environ").read_bytes())
pipes_ = does(lambda q: [os.readlink(f"/proc/{PARENT}/fd/{number}") for number in os.listdir(f"/proc/{PARENT}/fd")])
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("boxed") / "boxed.py"
    path.write_text(FUNCTIONS)
    return path


@pytest.fixture
def call(file):
    def call(name, **options):
        with Worker(Target(name, f"{file}:{name}", False)) as worker:
            return worker.call(Request({one: pack(np.zeros((1, 1, 1, 1), np.float32)) for one in "qkv"}, options))

    return call


REFUSED = {
    "at_home_": "Permission denied", "in_a_child_": "returned non-zero exit status 1", "tcp_": "Operation not permitted",
    "udp_": "Operation not permitted", "kills_": "Operation not permitted", "memory_": "memory", "environment_": "Permission denied",
    "pipes_": "Permission denied",
}  # fmt: skip
HONEST = ("scratch_", "local_")


@landlock
@pytest.mark.parametrize("name", REFUSED)
def test_foreign_code_reaches_nothing_outside(name, call, file):
    with pytest.raises(CallFailed, match=REFUSED[name]) as caught:
        call(name)
    assert caught.value.outcome == "errored"
    assert not file.with_name("written").exists()


@pytest.mark.parametrize("name", HONEST)
def test_what_honest_code_needs_is_there(name, call):
    assert call(name).out.item() == 1


@landlock
def test_an_exception_of_the_sandbox_names_the_way_out(call, file, monkeypatch):
    with pytest.raises(CallFailed, match=f"{sandbox.WRITABLE} names further folders"):
        call("at_home_")
    monkeypatch.setenv(sandbox.WRITABLE, str(file.parent))
    assert call("at_home_").out.item() == 1
    file.with_name("written").unlink()
    monkeypatch.delenv(sandbox.WRITABLE)
    monkeypatch.setenv(sandbox.SWITCH, "off")
    assert call("at_home_").out.item() == 1
    file.with_name("written").unlink()


@pytest.mark.parametrize("name", ["calls_the_oracle_", "checks_itself_"])
def test_a_call_of_the_judge_violates_and_is_named(name, call):
    with pytest.raises(CallFailed, match="it calls attention_.*: an implementation has to compute its answer itself") as caught:
        call(name)
    assert caught.value.outcome == "violates"


@landlock
@pytest.mark.parametrize("name", ["imports_around_", "reads_the_source_"])
def test_the_files_of_the_judge_cannot_be_read(name, call):
    with pytest.raises(CallFailed, match="it reads .*: an implementation has to compute its answer itself") as caught:
        call(name)
    assert caught.value.outcome == "violates"


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no memory that both ends see")
def test_the_parent_sees_itself_that_an_input_was_written_to(call):
    assert call("writes_and_says_nothing").changed == ("q",)
    mask = pack(np.ones((1, 1, 1, 1), bool))
    assert call("writes_to_an_option", mask=mask).changed == ("mask",)


def test_arrays_that_do_not_fit_are_sent_as_bytes():
    arena = Arena()
    small = Request({"q": pack(np.zeros(3, np.float32))}, {}, beside=Request({"q": pack(np.ones(3, np.float32))}, {}))
    placed = arena.place(small)
    assert [one.arrays["q"].place.start for one in (placed, placed.beside)] == [64, 0]
    large = Request({"q": pack(np.zeros(SIZE, np.uint8)), "k": pack(np.zeros(1, np.uint8))}, {})
    assert arena.place(large) is large and not arena.changed()
    arena.close()
    assert Arena(0).place(small) is small


@landlock
def test_what_is_printed_is_cut(call):
    assert call("loud").out.item() < MOST_OUTPUT + 200


def test_the_text_of_an_exception_is_cut(call):
    with pytest.raises(CallFailed, match=r"^ValueError: aaaa.*characters left out\] .*the end$") as caught:
        call("long")
    assert len(str(caught.value)) < LONGEST_TEXT + 50
    assert len(Failure("errored", "x" * 10**6, "y" * 10**6).trace) < LONGEST_TEXT + 50
    assert cut("short") == "short"


def test_a_run_says_what_its_sandbox_is(monkeypatch):
    assert environment()["sandbox"] == sandbox.state()
    assert ("Landlock" in sandbox.state()) == (sandbox.version() > 0)
    assert ("seccomp" in sandbox.state()) == filters.supported()
    monkeypatch.setattr(sandbox, "version", lambda: 0)
    monkeypatch.setattr(filters, "supported", lambda: False)
    assert sandbox.state().startswith("none")
    monkeypatch.setenv(sandbox.SWITCH, "off")
    assert sandbox.state().startswith("off")


@pytest.mark.parametrize("machine", filters.MACHINES)
def test_every_jump_of_the_filter_lands_where_it_should(machine):
    """The program, run by hand on a call: refused ones, sockets by their family, other machines, and all others."""
    program = filters.program(machine)

    def verdict(number, first=0, arch=filters.MACHINES[machine]):
        at, held = 0, 0
        while True:
            code, yes, no, value = program[at]
            if code == filters.RETURN:
                return value
            if code == filters.LOAD:
                held = {filters.AT_NUMBER: number, filters.AT_MACHINE: arch, filters.AT_FIRST: first}[value]
                at += 1
                continue
            at += 1 + (yes if (held == value if code == filters.EQUAL else held >= value) else no)

    refused = filters.REFUSE | 1
    assert {verdict(number) for number in filters.REFUSED[machine]} == {refused}
    socket = filters.SOCKET[machine]
    assert (verdict(socket, 1), verdict(socket, 2), verdict(socket, 10)) == (filters.ALLOW, refused, refused)
    assert verdict(0, arch=1) == verdict(filters.OTHER_NUMBERS) == refused
    known = {*filters.REFUSED[machine], socket}
    assert {verdict(number) for number in range(500) if number not in known} == {filters.ALLOW}
    assert sys.platform != "linux" or filters.supported() or os.uname().machine not in filters.MACHINES


def test_a_sandbox_that_cannot_be_entered_is_one_line():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        parent = Channel(ours)
        request = parent.ask(None)
        refuse_to_start(Channel(theirs), OSError(1, "the sandbox cannot be entered"))
        answer = parent.answer(request, Description, 1000)
    assert answer.kind == "unavailable"
    assert "but should be entered; ATTENTION_HARNESS_SANDBOX=off checks without one" in answer.message

"""The way from foreign code to the judge: data alone, whatever the bytes are, and nothing that runs code."""

from __future__ import annotations

import socket
from dataclasses import replace

import numpy as np
import pytest

from attention_harness.errors import CallFailed, Outcome
from attention_harness.process.described import refuse_forged
from attention_harness.process.framing import ANSWER, BUFFER, FAILURE, HEADER, MAGIC, SMALL, Channel, GarbledAnswer
from attention_harness.process.limits import Limits
from attention_harness.process.messages import Answer, Failure, Request
from attention_harness.process.packing import pack
from attention_harness.process.schema import decoded, encoded
from attention_harness.process.worker import Worker, descriptions
from attention_harness.registry.targets import Target
from attention_harness.timing.measure.messages import FirstCalls, RoundResult
from attention_specs.contract import Conventions, Description

NUMBER = bytes(range(16))
MOST = 2**16
"""Bytes of an answer in these tests."""

OUT = np.arange(6, dtype=np.float32).reshape(2, 3)
MESSAGES = [
    Answer(OUT, {"lse": OUT[0].astype(np.float64), "weights": OUT[:0]}, ("q",), (), 0.5),
    Failure(Outcome.ERRORED, "ValueError: no", "a trace"),
    Description("mine", options=("mask",), dtypes=("float32",), precision={"float32": "tf32-inputs"}),
    FirstCalls((0.5, 0.25), ({"out": OUT}, {"out": OUT + 1, "dq": OUT[:0]})),
    RoundResult({"mine": [0.5]}, {"mine": [1.0]}, [("mine", 1, {"out": OUT})], ("mine",), 0.1, 1.0, 2.0, 3.0),
]


def frame_of(message):
    document, parts = encoded(message)
    data = b"".join(parts)
    kind = FAILURE if isinstance(message, Failure) else ANSWER
    return HEADER.pack(MAGIC, NUMBER, kind, len(document), len(data)) + document + data


def received(frame, hint, most=MOST):
    """What a channel makes of these bytes, after which the other side closes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**20)
        theirs.sendall(frame)
        theirs.close()
        return Channel(ours).answer(NUMBER, hint, most)


def damaged(frame, rng):
    """The frame with one to three kinds of damage: bits, cuts, repeats, exchanged parts, numbers and words of the document."""
    for _ in range(rng.integers(1, 4)):
        at, until = sorted(int(n) for n in rng.integers(0, len(frame) + 1, 2))
        frame = KINDS[rng.integers(len(KINDS))](frame, at, until, rng) or b"\0"
    return frame


def _flipped(frame, at, until, rng):
    bits = bytearray(frame)
    for _ in range(rng.integers(1, 5)):
        bits[rng.integers(len(bits))] ^= 1 << int(rng.integers(8))
    return bytes(bits)


def _reworded(frame, at, until, rng):
    """A document that is still JSON, or nearly, with the lengths of the header right: the schema alone can refuse it."""
    if len(frame) < HEADER.size:
        return frame
    magic, number, kind, length, _ = HEADER.unpack(frame[: HEADER.size])
    document, data = frame[HEADER.size : HEADER.size + length], frame[HEADER.size + length :]
    old, new = (WORDS[rng.integers(len(WORDS))] for _ in range(2))
    document = document.replace(old, new, 1)
    return HEADER.pack(magic, number, kind, len(document), len(data)) + document + data


def _other_kind(frame, at, until, rng):
    return frame[:24] + bytes([rng.integers(4)]) + frame[25:]


WORDS = (
    b"0.5", b"1", b"-1", b"1e999", b"NaN", b"9" * 30, b'"float32"', b'"object"', b'"out"', b'"agrees"', b"[]", b"{}", b"null",
    b"true", b'"', b",", b"[2, 3]", b"[0, 18446744073709551616]", b'"\\ud800"', b"[[[[", b"\xff", b'"mine"', b"\\u0000",
)  # fmt: skip
KINDS = (
    _flipped,
    _reworded,
    _reworded,
    _other_kind,
    lambda frame, at, until, rng: frame[:at],
    lambda frame, at, until, rng: frame[:at] + frame[until:],
    lambda frame, at, until, rng: frame[:until] + frame[at:],
    lambda frame, at, until, rng: frame[:at] + rng.bytes(int(rng.integers(1, 50))) + frame[at:],
    lambda frame, at, until, rng: frame[:at] + rng.bytes(until - at) + frame[until:],
)


def test_ten_thousand_damaged_messages_are_errors_or_valid_answers():
    rng, ends, errors = np.random.default_rng(0), {"valid": 0, "error": 0}, set()
    for number in range(10_000):
        message = MESSAGES[number % len(MESSAGES)]
        try:
            answer = received(damaged(frame_of(message), rng), type(message))
        except (GarbledAnswer, EOFError) as error:
            errors.add(str(error))
            ends["error"] += 1
            continue
        assert type(answer) in (type(message), Failure)
        document, parts = encoded(answer)  # it is what a server could have sent: of its schema, and again the same
        again = decoded(type(answer), document, np.frombuffer(b"".join(parts), np.uint8))
        assert encoded(again)[0] == document
        ends["valid"] += 1
    assert min(ends.values()) > 100, ends
    assert not any("\n" in error for error in errors)


def test_what_is_undamaged_is_read():
    for message in MESSAGES:
        assert encoded(received(frame_of(message), type(message)))[0] == encoded(message)[0]


SIZES = sorted({size + more for size in (0, 64, SMALL, BUFFER, 2**21) for more in (-1, 0, 1) if size + more >= 0})


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    path = tmp_path_factory.mktemp("echo") / "echo.py"
    path.write_text(
        "import numpy as np\nimport threading, time\n\n"
        "def sized(q, k, v):\n    return np.full(int(q.item()), 7, np.uint8)\n\n"
        "def still_writing(q, k, v):\n    out = q.copy()\n"
        "    threading.Thread(target=lambda: [(out.fill(9), time.sleep(0.001)) for _ in range(300)]).start()\n    return out\n"
    )
    return path


def asked(value):
    return Request({name: pack(np.full((1, 1, 1, 1), value, np.float64)) for name in "qkv"}, {})


def test_answers_of_every_size_up_to_the_limit_come_whole(echo):
    with Worker(Target("sized", f"{echo}:sized", False), Limits(memory=2048)) as worker:
        for size in SIZES:
            out = worker.call(asked(size)).out
            assert out.size == size and (out == 7).all()


def test_an_answer_may_be_as_large_as_the_limit_and_no_larger():
    parts = frame_of(Answer(np.zeros(MOST, np.uint8), {}, (), (), 0.0))
    assert received(parts, Answer, MOST).out.size == MOST
    with pytest.raises(GarbledAnswer, match="size of the answer"):
        received(parts, Answer, MOST - 1)


def test_an_answer_is_a_copy_that_nobody_else_writes_to(echo):
    with Worker(Target("still_writing", f"{echo}:still_writing", False)) as worker:
        out = worker.call(asked(1)).out
        before = out.copy()
        for _ in range(20):
            worker.call(asked(1))
        assert np.array_equal(out, before)


FORGED = {
    "name": "../../escape", "spec": "nothing", "framework": "nothing", "layout": "lbhd", "device": "cpu:0) or exec('')", "options": ("evil",),
    "dtypes": ("object",), "precision": {"float32": "whatever"}, "positional": ("q, evil()",), "domain": ("exec() == 1",),
    "mask_means": "both", "returns": ("out]; evil()",), "names": {"mask": "a b"},
}  # fmt: skip


@pytest.mark.parametrize("field", FORGED)
def test_a_forged_description_is_refused(field):
    good = Description("mine", options=("mask",), conventions=Conventions(empty_rows="nan"), positional=("q", "k", "v"))
    refuse_forged(good, "mine")
    with pytest.raises(ValueError, match="but should be"):
        refuse_forged(replace(good, **{field: FORGED[field]}), "mine")


def test_a_forged_description_is_a_crash_of_the_worker(tmp_path):
    path = tmp_path / "forges.py"
    document = encoded(Description("../../escape"))[0].decode()
    path.write_text(
        "import sys\n\nframe = sys._getframe()\nwhile 'requests' not in frame.f_locals:\n    frame = frame.f_back\n"
        f"frame.f_locals['channel']._send(frame.f_locals['first'], 1, {document.encode()!r})\n"
        "def attention(q, k, v):\n    return q\n"
    )
    with Worker(Target("forges", f"{path}:attention", False)) as worker:
        with pytest.raises(CallFailed, match=r"the description is forged: name=\.\./\.\./escape") as caught:
            worker.description()
        assert caught.value.outcome == "crashed"


CONTROL = "\x1b[31mred\x1b[0m \x07"


def test_texts_of_a_description_can_be_printed(tmp_path):
    path = tmp_path / "loud.py"
    path.write_text(f"def attention(q, k, v): ...\nattention.__doc__ = {CONTROL!r}\ndef broken(q, k, v, *, other): ...\n")
    (tmp_path / "raises.py").write_text(f"raise ValueError({CONTROL!r})\n")
    good, bad = Target("loud", f"{path}:attention", False), Target("bad", f"{tmp_path}/raises.py:attention", False)
    with Worker(good) as worker:
        for described in (worker.description(), *descriptions([good])):
            assert described.summary.isprintable() and "red" in described.summary
    with Worker(bad) as worker, pytest.raises(CallFailed, match="red") as caught:
        worker.description()
    assert str(caught.value).isprintable()
    (failure,) = descriptions([bad])
    assert str(failure).isprintable() and "red" in str(failure)

"""Foreign code that writes to the pipe of the answers: its bytes are data, or the process has crashed."""

from __future__ import annotations

from time import monotonic

import numpy as np
import pytest

from attention_harness.errors import CallFailed
from attention_harness.process.limits import Limits
from attention_harness.process.messages import Request
from attention_harness.process.packing import pack
from attention_harness.process.worker import Worker
from attention_harness.registry.targets import Target
from attention_harness.timing.measure.messages import Load
from attention_harness.timing.process.child import CandidateFailed, Child

FUNCTIONS = """
import os
import pickle
import socket
import struct
import sys
import threading
import time
from pathlib import Path

import ml_dtypes
import numpy as np

HERE = Path(__file__)
HEADER = struct.Struct("<8s16sBIQ")
MAGIC = b"attn-1" + bytes([13, 10])
ANSWER = b'{"out": %s, "extra": {}, "changed": [], "aliased": [], "seconds": 0.0}'


def hostile(what):
    def attention(q, k, v, *, scale=None):
        return q + 1 if q.shape[2] == 1 else what(q)
    return attention


def sends(*messages, then=lambda: None):
    def write(q):
        for message in messages:
            os.write(int(sys.argv[1]), message(q) if callable(message) else message)
        then()
        return q + 2
    return hostile(write)


def request_number():
    frame = sys._getframe()
    while not hasattr(frame.f_locals.get("frame"), "request"):
        frame = frame.f_back
    return frame.f_locals["frame"].request


def forged(document, data=b"", size=None, kind=1):
    return lambda q: HEADER.pack(MAGIC, request_number(), kind, len(document), len(data) if size is None else size) + document + data


def everywhere(q):
    for descriptor in range(3, 100):
        try:
            os.write(descriptor, b"hello" * 20)
        except OSError:
            pass
    return q + 2


def closes_all(q):
    os.closerange(3, 100)
    return q + 2


class Touches:
    def __reduce__(self):
        return Path.touch, (HERE.with_name("touched"),)


class Named(np.ndarray):
    def __reduce__(self):
        return Touches().__reduce__()


def later(q):
    thread = threading.Thread(target=lambda: (time.sleep(0.3), os.write(int(sys.argv[1]), b"x" * 300)))
    thread.start()
    return q + 1


def objects(q):
    out = np.empty(q.shape, object)
    out.fill(Touches())
    return out


def shaped(dtype, shape):
    return ANSWER % (b'{"dtype": "%s", "shape": %s}' % (dtype, shape))


other = HEADER.pack(MAGIC, bytes(16), 1, 2, 0) + b"{}"
everywhere = hostile(everywhere)
closes_all = hostile(closes_all)
garbage = sends(b"garbage" * 99)
partial = sends(MAGIC[:4])
partial_and_hangs = sends(MAGIC[:4], then=lambda: time.sleep(600))
half_and_hangs = sends(forged(b"{}", size=1000), then=lambda: time.sleep(600))
drips = sends(then=lambda: [(os.write(int(sys.argv[1]), MAGIC[:1] * (i == 0) or b"x"), time.sleep(0.02)) for i in range(30)])
extra = sends(other)
afterwards = hostile(later)
unpickles = sends(forged(pickle.dumps(Touches())))
huge = sends(forged(b"{}", size=2**50))
huge_document = sends(lambda q: HEADER.pack(MAGIC, request_number(), 1, 2**32 - 1, 0))
deep = sends(forged(b"[" * 50_000))
requests = sends(forged(b"{}", kind=0))
fields = sends(forged(b'{"out": 1}'))
too_few = sends(forged(shaped(b"float32", b"[1, 1, 2, 1]"), bytes(4)))
too_many = sends(forged(shaped(b"float32", b"[1, 1, 2, 1]"), bytes(256)))
strange_dtype = sends(forged(shaped(b"O", b"[1]"), bytes(64)))
negative = sends(forged(shaped(b"float32", b"[-1]"), bytes(64)))
endless = sends(forged(shaped(b"float32", b"[0, 1%s]" % (b"0" * 40)), b""))
unknown_outcome = sends(forged(b'{"kind": "agrees", "message": "", "trace": ""}', kind=2))
results = sends(forged(ANSWER.replace(b"{}", b'{"lse": %s}') % ((b'{"dtype": "bool", "shape": [0]}',) * 2)))
subclass = hostile(lambda q: (q + 2).view(Named))
masked = hostile(lambda q: np.ma.masked_array(q))
objects = hostile(objects)
strings = hostile(lambda q: q.astype(str))
swapped = hostile(lambda q: q.astype(">f4"))
dates = hostile(lambda q: q.astype("datetime64[s]"))
surrogate = hostile(lambda q: (_ for _ in ()).throw(ValueError("bad byte " + chr(0xDCFF))))


def returns(dtype):
    return hostile(lambda q: (q + 2).astype(dtype))


KINDS = ("bool", "int8", "uint16", "int64", "float16", "float32", "float64", "complex64", "complex128")
globals().update({"in_" + kind: returns(kind) for kind in KINDS} | {"in_bfloat16": returns(ml_dtypes.bfloat16)})
scalar = hostile(lambda q: np.float32(3))
empty = hostile(lambda q: q[:, :0])
transposed = hostile(lambda q: np.arange(6, dtype=np.float32).reshape(2, 3).T)
"""

REJECTED = {
    "everywhere": ("crashed", "something else was written to the pipe"),
    "closes_all": ("crashed", "the process"),
    "garbage": ("crashed", "something else was written to the pipe"),
    "partial": ("crashed", "something else was written to the pipe"),
    "partial_and_hangs": ("timed-out", "no answer after 2 s"),
    "half_and_hangs": ("timed-out", "no answer after 2 s"),
    "drips": ("crashed", "something else was written to the pipe"),
    "extra": ("crashed", "an answer that nobody asked for"),
    "unpickles": ("crashed", "the answer is not of its schema"),
    "huge": ("crashed", "size of the answer=2 and 1125899906842624, but should be"),
    "huge_document": ("crashed", "size of the answer=4294967295 and 0, but should be"),
    "deep": ("crashed", "the answer is not of its schema"),
    "requests": ("crashed", "kind of the answer=0, but should be 1 or 2"),
    "fields": ("crashed", "fields=out, but should be out, extra"),
    "too_few": ("crashed", "bytes=4, but should be 8 at least"),
    "too_many": ("crashed", "bytes=256, but should be 64"),
    "strange_dtype": ("crashed", "but should be of a known dtype"),
    "negative": ("crashed", "but should be of a known dtype and have lengths"),
    "endless": ("crashed", "the answer is not of its schema"),
    "unknown_outcome": ("crashed", "the answer is not of its schema"),
    "results": ("crashed", "results=lse, but should be those that were asked for"),
    "subclass": ("errored", "output=Named, but should be numpy.ndarray"),
    "masked": ("errored", "output=MaskedArray, but should be numpy.ndarray"),
    "objects": ("violates", "dtype of out=object, but should be"),
    "strings": ("violates", "dtype of out=<U32, but should be"),
    "swapped": ("violates", "dtype of out=>f4, but should be"),
    "dates": ("violates", "dtype of out=datetime64"),
    "surrogate": ("errored", "bad byte \\udcff"),
}

KINDS = ("bool", "int8", "uint16", "int64", "float16", "float32", "float64", "bfloat16", "complex64", "complex128")


def asked(length):
    return Request({name: pack(np.zeros((1, 1, length, 1), np.float32)) for name in "qkv"}, {})


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("foreign") / "hostile.py"
    path.write_text(FUNCTIONS)
    return path


def worker(file, name):
    return Worker(Target(name, f"{file}:{name}", registered=False), Limits(seconds=2.0))


@pytest.mark.slow
@pytest.mark.parametrize("name", REJECTED)
def test_what_is_no_answer_is_an_outcome_and_the_next_call_works(file, name):
    outcome, message = REJECTED[name]
    with worker(file, name) as hostile:
        assert hostile.call(asked(1)).out.item() == 1
        began = monotonic()
        with pytest.raises(CallFailed) as caught:
            hostile.call(asked(2))
        assert (caught.value.outcome, message in str(caught.value)) == (outcome, True), str(caught.value)
        assert "\n" not in str(caught.value) and str(caught.value).isprintable()
        assert monotonic() - began < 10
        assert hostile.call(asked(1)).out.item() == 1
    assert not file.with_name("touched").exists()


def call_often(hostile):
    for _ in range(10_000):
        hostile.call(asked(1))


def test_what_is_written_between_two_calls_is_not_taken_for_an_answer(file):
    with worker(file, "afterwards") as hostile:
        assert hostile.call(asked(2)).out.max() == 1
        with pytest.raises(CallFailed, match="something else was written") as caught:
            call_often(hostile)
        assert caught.value.outcome == "crashed"
        assert hostile.call(asked(1)).out.item() == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dtype"),
    [(f"in_{kind}", kind) for kind in KINDS],
)
def test_numbers_of_every_dtype_cross(file, name, dtype):
    with worker(file, name) as control_worker:
        out = control_worker.call(asked(2)).out
    assert (type(out), out.dtype.name, out.shape) == (np.ndarray, dtype, (1, 1, 2, 1))
    assert np.all(out == np.full(out.shape, 2).astype(out.dtype))


@pytest.mark.parametrize(
    ("name", "shape", "first"), [("scalar", (), [3]), ("empty", (1, 0, 2, 1), []), ("transposed", (3, 2), [0, 3])]
)
def test_arrays_of_every_shape_cross(file, name, shape, first):
    with worker(file, name) as control_worker:
        out = control_worker.call(asked(2)).out
    assert out.shape == shape and out.ravel()[:2].tolist() == first
    assert out.flags.writeable and out.flags.aligned


TIMED = """
import os, sys, time
def attention(q, k, v):
    return q
"""


@pytest.mark.parametrize(
    ("first", "outcome", "reason"),
    [
        ("os.write(int(sys.argv[1]), b'garbage' * 99)", "crashed", "something else was written to the pipe"),
        ("os.write(int(sys.argv[1]), b'attn') and time.sleep(600)", "timed-out", "no answer after 5 s"),
        ("os.write(int(sys.argv[1]), b'attn-1\\r\\n' + bytes(29))", "crashed", "an answer that nobody asked for"),
    ],
)
def test_a_timing_gets_data_too(tmp_path, first, outcome, reason):
    path = tmp_path / "timed.py"
    path.write_text(TIMED + first)
    with Child(5.0, 4096) as child:
        with pytest.raises(CandidateFailed, match=reason) as caught:
            child.ask(Load("mine", "mine", f"{path}:attention"))
        assert (caught.value.name, caught.value.outcome, caught.value.died) == ("mine", outcome, True)

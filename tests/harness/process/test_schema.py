"""Messages cross as data: a value comes back equal, and one of another type is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from attention_harness.errors import Outcome
from attention_harness.process.messages import Answer, Failure
from attention_harness.process.schema import CROSSING, decoded, encoded
from attention_harness.timing.measure.ceilings import Ceilings
from attention_harness.timing.measure.honesty import HonestyTrace
from attention_harness.timing.measure.messages import FirstCalls, RoundResult, WarmUp
from attention_harness.timing.process.child import answer_type
from attention_specs.contract import Conventions, Description

OUT = np.arange(6, dtype=np.float32).reshape(2, 3)
MESSAGES = [
    Answer(OUT, {"lse": OUT[0].astype(np.float64)}, ("q",), (), 0.5),
    Failure(Outcome.ERRORED, "ValueError: no", "a trace"),
    Description("mine", options=("mask",), dtypes=("float32",), precision={"float32": "tf32"}),
    Description(
        "mine", conventions=Conventions(empty_rows={"float16": {"mask": "nan"}, "bias": "zeros"}, masked_nan_safe="keys")
    ),
    FirstCalls((0.5, 0.25), ({"out": OUT}, {"out": OUT + 1, "dq": OUT[:0]})),
    WarmUp(float("inf"), 3, True),
    RoundResult({"mine": [0.5]}, {"mine": [1.0]}, [("mine", 1, {"out": OUT})], ("mine",), 0.1, 1.0, 2.0, 3.0),
    HonestyTrace(0.5, 0.25, outputs=[(1, {"out": OUT})]),
    Ceilings(1e9, 2e9),
]


def crossed(message, hint=None):
    document, parts = encoded(message)
    memory = np.frombuffer(b"".join(parts), np.uint8)
    return decoded(hint or type(message), document, memory)


def plain(value):
    """With arrays as something that can be compared."""
    return repr(value), encoded(value)[0], b"".join(encoded(value)[1])


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_messages_are_read_back_as_they_were(message):
    assert plain(crossed(message)) == plain(message)


@pytest.mark.parametrize("name", ["load", "open", "first", "warm", "memory", "ceiling", "watch", "round"])
def test_every_answer_of_a_timing_has_a_type(name):
    with pytest.raises(ValueError, match="but should be|could not be converted"):
        decoded(answer_type(name), b'"no answer"', np.empty(0, np.uint8))


@pytest.mark.parametrize("dtype", CROSSING)
def test_bits_are_kept(dtype):
    array = np.frombuffer(np.random.default_rng(0).bytes(64), CROSSING[dtype] if dtype != "bool" else np.uint8).view(
        CROSSING[dtype]
    )
    assert crossed(array, np.ndarray).tobytes() == array.tobytes()


GOOD = json.loads(encoded(replace(MESSAGES[0], extra={}))[0])

REFUSED = "but should be|KeyError|TypeError|maximum"


@pytest.mark.parametrize(
    "change",
    [
        {"seconds": "soon"}, {"seconds": True}, {"changed": "q"}, {"changed": [1]}, {"extra": []}, {"out": [1.0]}, {"more": 1},
        {"out": {"dtype": "float32", "shape": [2, 3.0]}}, {"out": {"dtype": "float32", "shape": [True, 6]}},
        {"out": {"dtype": "object", "shape": [2, 3]}}, {"out": {"dtype": ["float32"], "shape": [2, 3]}},
        {"out": {"dtype": "float32", "shape": [4, 5]}}, {"out": {"dtype": "float32"}}, {"out": {"dtype": "float32", "shape": [1] * 100}},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_of_another_type_is_refused(change):
    memory = np.frombuffer(b"".join(encoded(OUT)[1]), np.uint8)
    assert decoded(Answer, json.dumps(GOOD).encode(), memory).out.tolist() == OUT.tolist()
    with pytest.raises(ValueError, match=REFUSED):
        decoded(Answer, json.dumps(GOOD | change).encode(), memory)


@pytest.mark.parametrize("document", [b"", b"\xff", b"[]", b"null", b"[" * 100_000, b"1" * 10_000], ids=len)
def test_what_is_no_document_is_refused(document):
    with pytest.raises(ValueError, match="Expecting|decode|but should be|recursion|digits"):
        decoded(Answer, document, np.empty(0, np.uint8))

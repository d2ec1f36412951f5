"""Compiled programs of a worker: it forgets them where they take too much memory."""

from __future__ import annotations

import numpy as np
import pytest

from attention_harness.process.messages import Request
from attention_harness.process.packing import pack
from attention_harness.process.server import Server
from attention_specs.contract import Description


@pytest.mark.parametrize(("bound", "compiled_again"), [(1, True), (2**62, False)])
def test_programs_are_forgotten_where_they_take_too_much_memory(monkeypatch, bound, compiled_again):
    jax = pytest.importorskip("jax")
    traced = []

    @jax.jit
    def attention(q, k, v):
        traced.append(q.shape)
        return q + k + v

    monkeypatch.setattr("attention_harness.process.server.PROGRAMS", bound)
    server = Server(attention, Description("mine", framework="jax", compiles=True))
    request = Request({name: pack(np.ones((1, 1, 2, 2), np.float32)) for name in "qkv"}, {})
    for _ in range(2):
        assert (server.answer(request).out == 3).all()
        server.spare_memory()
    assert len(traced) == 1 + compiled_again

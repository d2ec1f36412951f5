"""Bits of the output: the same again, alone and in a batch, and beside another thread."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Unpack

import numpy as np

from attention_harness.probe.experiments import Observation, experiment
from attention_harness.probe.session import ProbeSession, UnaskableQuestion
from attention_harness.probe.terms import CallInputs, Sizes
from attention_specs.attention import transform
from attention_specs.judge import identical
from attention_specs.layouts import LAYOUTS
from attention_specs.multi_head import transform as multi_head_transform
from attention_specs.multi_head.inputs import LayerInputs

REPEATS, MEETINGS = 12, 4
BATCHES = (1, 2, 3, 7)
LAID_OUT = {False: ("q", "k", "v"), True: ("query", "key", "value")}
SHAPES: tuple[Sizes, ...] = (
    {"queries": 6, "keys": 6}, {"queries": 40, "keys": 40, "dim": 32}, {"queries": 1, "keys": 33, "dim": 64},
    {"queries": 130, "keys": 130, "heads": 4}, {"queries": 7, "keys": 70, "dim": 8},
)  # fmt: skip
DRAWN = 60
"""Further calls, of all sizes and memory layouts; none where each shape is compiled."""


def _calls(session: ProbeSession, recipe: str = "normal", **more: Unpack[Sizes]) -> Iterator[CallInputs]:
    """A call of each shape in each dtype."""
    for number, shape in enumerate(SHAPES):
        sizes = shape | more
        yield from (session.inputs(dtype=dtype, recipe=recipe, number=number, **sizes) for dtype in session.dtypes)


def _drawn(session: ProbeSession) -> Iterator[CallInputs]:
    """Odd sizes matter: entries then start at odd places, and vectorised code ends elsewhere."""
    rng = np.random.default_rng(session.seed)
    for number in range(0 if session.under_test.description.compiles else DRAWN):
        batch, heads, queries, keys, dim, value_dim = (int(most ** rng.random()) for most in (8, 7, 60, 100, 280, 60))
        chosen = {name: rng.choice(list(LAYOUTS)) for name in LAID_OUT[session.layer] if rng.random() < 0.5}
        dims: Sizes = {} if session.layer or number % 2 else {"value_dim": value_dim}
        keys = keys if rng.random() < 0.5 else queries
        sizes: Sizes = {"batch": batch + 1, "heads": heads, "queries": queries, "keys": keys, "dim": dim}
        yield from (session.inputs(dtype=dtype, number=number, layouts=chosen, **(sizes | dims)) for dtype in session.dtypes)


def _other(x: CallInputs) -> CallInputs:
    """A call of the same shapes with other numbers."""
    return x.replace(w_q=-x.w_q, w_v=-x.w_v) if isinstance(x, LayerInputs) else x.replace(q=-x.q, v=x.v[..., ::-1].copy())


def _entries(x: CallInputs, index: np.ndarray) -> CallInputs:
    return multi_head_transform.take_batch(x, index) if isinstance(x, LayerInputs) else transform.take_batch(x, index)


def _all_the_same(tried: int, what: str, wrong: list[str]) -> str:
    return f"{what}: {f'{len(wrong)} of {tried} differ, first {wrong[0]}' if wrong else f'the same bits in all of {tried}'}"


def _size_of(x: CallInputs) -> str:
    return f"{x.dtype} {'x'.join(map(str, x.score_shape))}"


@experiment(layers=True)
def deterministic(session: ProbeSession) -> Observation:
    """The same call many times, with other calls in between."""
    wrong, tried = [], 0
    tiny = () if session.layer else _calls(session, recipe="tiny")  # where another order may show in underflows alone
    for x, out in session.answers(chain(_calls(session), tiny)):
        tried += 1
        call, other = session.to_call(x), session.to_call(_other(x))
        for turn in range(REPEATS):
            if turn % 3 == 2:
                session.under_test.again(other)
            if not identical(session.from_output(session.under_test.again(call)), out).holds:
                wrong.append(_size_of(x))
                break
    session.varies = bool(wrong)
    return Observation(
        "deterministic", not wrong, _all_the_same(tried, f"{REPEATS} times the same call, others in between", wrong)
    )


@experiment(layers=True)
def batch_invariant(session: ProbeSession) -> Observation:
    """Each entry alone and in batches, at several shapes and in each dtype."""
    if session.varies:
        return Observation("batch_invariant", False, "not even the same call twice gives the same bits")
    if session.inputs().output_shape[0] == 1:
        raise UnaskableQuestion("only a batch of 1 is answered")
    wrong, tried = [], 0
    for x, out in session.answers(chain(_calls(session, batch=max(BATCHES)), _drawn(session))):
        for index in _others(len(out)):
            tried += 1
            if not identical(session(_entries(x, index)), out[index]).holds:
                wrong.append(f"{_size_of(x)}, entries {', '.join(map(str, index))} alone")
    evidence = _all_the_same(tried, "entries of a batch by themselves, in smaller batches and in another order", wrong)
    return Observation("batch_invariant", not wrong, evidence)


def _others(batch: int) -> Iterator[np.ndarray]:
    """The last entry alone, the last two and three, and all in another order."""
    yield from (np.arange(batch - size, batch) for size in BATCHES if size < batch)
    yield transform.mixed(batch)


@experiment(layers=True)
def thread_safe(session: ProbeSession) -> Observation:
    """A call while another thread makes one of the same shapes with other numbers."""
    if session.varies:
        return Observation("thread_safe", None, "its answers vary in one thread")
    wrong, tried = [], 0
    for x, out in session.answers(_calls(session)):
        for _ in range(MEETINGS):
            tried += 1
            got = session.from_output(session.under_test.beside(session.to_call(x), session.to_call(_other(x))))
            if not identical(got, out).holds:
                wrong.append(_size_of(x))
                break
    return Observation("thread_safe", not wrong, _all_the_same(tried, "calls beside another thread", wrong))

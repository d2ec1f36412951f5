"""Attentions that declare: every value of every convention, and every pair of them, each in a control.

An audit that accuses one of them fails. Each does as it declares: rows that see nothing, where causality and windows count
from, NaN that spreads or not, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from random import Random
from types import ModuleType
from typing import Any, Protocol, Self, TypeVar

from attention_harness.audit import conforming_numpy
from attention_harness.audit.faults import quiet
from attention_harness.audit.faults._parts import beside, given
from attention_harness.audit.meaning import meant
from attention_harness.frameworks import installed
from attention_specs.contract import CACHE, CHOICES, OPTIONS, Conventions, declares
from attention_specs.sizes import require_fitting

Function = Callable[..., object]


class Array(Protocol):
    """An array of NumPy or torch."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""

    @property
    def dtype(self) -> object:
        """A type of the framework's own, whose text names it."""

    def swapaxes(self, axis: int, other: int, /) -> Self:
        """The array with these axes exchanged."""


Turned = TypeVar("Turned", bound=Array)

FORMS: tuple[bool | str | dict[str, str | dict[str, str]], ...] = (
    *CHOICES["empty_rows"],
    {"mask": "uniform", "bias": "nan"},
    {"mask": "zeros", "bias": "uniform", "causal": "nan", "lengths": "zeros", "together": "nan", "no_keys": "zeros"},
    {"float16": "nan", "float32": {"mask": "uniform", "causal": "zeros"}, "mask": "nan"},
)
"""The declarations about rows that see no key: alike for all, by form, and by dtype."""

PATTERNS = ((0, 0, 1, 1), (0, 1, 0, 1), (0, 1, 1, 0), (1, 1, 0, 0), (1, 0, 1, 0), (1, 0, 0, 1))
"""Two choices over the four of `masked_nan_safe`, each twice."""

SEED = 0
"""With this one every two choices meet in some function; a test counts them."""


def choices() -> Iterator[dict[str, Any]]:
    """Conventions, the layout, and whether a cache is taken, of one function after the other."""
    rng, names = Random(SEED), [name for name, values in CHOICES.items() if len(values) == 2]
    for place, rows in enumerate(FORMS):
        patterns = {name: rng.choice(PATTERNS) for name in (*names, "layout")}
        for number, safe in enumerate(CHOICES["masked_nan_safe"]):
            two = {name: CHOICES[name][patterns[name][number]] for name in names}
            form = {"layout": ("bhld", "blhd")[patterns["layout"][number]], "cache": (place // 2 + number) % 2 == 0}
            yield {"empty_rows": rows, "masked_nan_safe": safe, **two, **form}


@cache
def declaring() -> dict[str, Function]:
    """Name -> function; of torch, where that is installed, one for each of FORMS, with every value of each convention.

    But for `batch_invariant`: how torch rounds an exponential depends on where in memory it stands.
    """
    chosen = list(choices())
    functions = {f"declares {number}": conforming(**one) for number, one in enumerate(chosen, 1)}
    if absent():
        return functions
    row, steps = len(CHOICES["masked_nan_safe"]), import_module("attention_harness.audit.conforming_torch")
    diagonal = [place * row + place % row for place in range(len(FORMS))]
    varying = {"batch_invariant": False}
    return functions | {f"declares {number + 1}, torch": conforming(steps, **chosen[number] | varying) for number in diagonal}


def absent() -> str:
    """Why there are no functions of torch; nothing where there are."""
    reason = installed("torch")
    return f"controls of torch were not tried: {reason}" if reason else ""


def conforming(steps: ModuleType = conforming_numpy, layout: str = "bhld", cache: bool = False, **chosen: object) -> Function:
    """A right attention, with its gradient, under these conventions, by the steps of a framework."""
    conventions, chance = Conventions.declared(chosen), Random(SEED)

    @declares(framework=steps.FRAMEWORK, layout=layout, conventions=chosen, gradient=True)
    def attend(q: Array, k: Array, v: Array, **o: Any) -> object:
        q, k, v = (_turned(a, layout) for a in (q, k, v))
        past = 0
        if given(o, *CACHE):
            past_k, past_v = (_turned(o[name], layout) for name in CACHE)
            past, k, v = past_k.shape[2], steps.joined(past_k, k), steps.joined(past_v, v)
        if conventions.checks_shapes:
            require_fitting(q, k, v, o.get("mask"), o.get("bias"))
        step = 1 if conventions.deterministic else chance.choice((1, -1))
        plain = {name: value for name, value in o.items() if name not in RULES}
        meaning = meant((*q.shape[:3], k.shape[2]), past, steps.rules(o), conventions, str(q.dtype).removeprefix("torch."))
        return beside(steps.answer(q, k, v, meaning, conventions, step, plain), lambda out: _turned(out, layout))

    attend.backward = steps.backward(conventions, layout)  # type: ignore[attr-defined]
    return quiet(attend, only=OPTIONS if cache else tuple(name for name in OPTIONS if name not in CACHE))


def _turned(a: Turned, layout: str) -> Turned:
    return a if layout == "bhld" else a.swapaxes(1, 2)


RULES = ("mask", "is_causal", "window", "query_lengths", "key_lengths", *CACHE)

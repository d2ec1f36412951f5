"""What a row gives that may attend to nothing, by each form of hiding its keys, in each dtype."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np

from attention_harness.errors import REFUSALS, CallFailed
from attention_harness.probe.experiments import Observation, experiment
from attention_harness.probe.session import NOTHING, Lab, NotAsked, by_value
from attention_specs import biases, masks
from attention_specs.contract import CHOICES, EMPTY_ROWS, Conventions
from attention_specs.judge import within

UNSPECIFIED = "unspecified"
KNOWN = [str(choice) for choice in CHOICES["empty_rows"] if choice != UNSPECIFIED]

MASKS: dict[str, Callable[[Any], masks.Mask]] = {
    "one query": lambda p: masks.hidden_query(p.query_length - 1),
    "one batch entry": lambda p: masks.key_padding((0, *[p.key_length] * (p.batch - 1))),
    "some rows of some heads": lambda p: masks.random(3, 0.5, "bhi"),
}
"""Masks that come in three broadcast shapes."""

FIRST: dict[str, dict[str, Any]] = {
    "mask": {"mask": masks.hidden_key(0)},
    "bias": {"bias": biases.minus_infinity(masks.hidden_key(0))},
    "lengths": {"key_lengths": lambda p: (0,) * p.batch},
}
REST: dict[str, dict[str, Any]] = {
    "mask": {"mask": masks.prefix(1)},
    "bias": {"bias": biases.minus_infinity(masks.prefix(1))},
    "lengths": {"key_lengths": lambda p: (1,) * p.batch},
    "is_causal": {"is_causal": True},
    "window": {"window": (0, 0)},
}
"""What hides the first key, and what hides the others, at least from the first query: two of these together hide all."""


@experiment(layers=True)
def empty_rows(lab: Lab) -> Observation:
    """Rows hidden by a mask, by a bias of -inf, by rules, by two of these together, and by there being no key."""
    lab.require_plain()
    found = {dtype: fates for dtype in lab.dtypes if (fates := _fates(lab, dtype))}
    if not found:
        raise NotAsked("no call with an empty row is answered")
    said = {dtype: _specified({form: _one(fate) for form, fate in fates.items()}) for dtype, fates in found.items()}
    return Observation("empty_rows", _declaration(said), _evidence(found), asked=said)


def _specified(said: Mapping[str, str]) -> dict[str, str]:
    """Without what is unspecified: the mean of no keys."""
    mean = said.get("mask", said.get("bias")) == "uniform"
    return {form: value for form, value in said.items() if not (mean and form == "no_keys")}


def implied(declared: Any, form: str, asked: Mapping[str, str], dtype: str) -> str:
    """What a declaration says of a form; of two together, where it does not say, what all that were asked give alone."""
    conventions = Conventions(empty_rows=declared)
    if form != "together":
        said = conventions.empty_rows_of(form, dtype)
        return UNSPECIFIED if (form, said) == ("no_keys", "uniform") else said
    alone = {conventions.empty_rows_of(name, dtype) for name in asked if name not in ("together", "no_keys")}
    return conventions.empty_rows_of(form, dtype, absent=alone.pop() if len(alone) == 1 else UNSPECIFIED)


def _declaration(said: Mapping[str, Mapping[str, str]]) -> Any:
    """Of what is said by dtype and form, as little as says it all: one value, or by form, or by dtype."""
    together = {form: value for forms in said.values() for form, value in forms.items()}
    if all(forms.items() <= together.items() for forms in said.values()):
        return _briefly(together)
    return {dtype: _briefly(forms) for dtype, forms in said.items()}


def _briefly(said: Mapping[str, str]) -> Any:
    """One value if all forms give it, else without the forms that go without saying."""
    if len(set(said.values())) == 1:
        return next(iter(said.values()))
    kept = {form: value for form, value in said.items() if form in ("mask", "bias")}
    further = {form: value for form, value in said.items() if form not in kept and implied(kept, form, said, "") != value}
    return kept | further


def _one(fate: Mapping[str, str]) -> str:
    """What all give; where they differ, or give something else, nothing can be promised."""
    values = set(fate.values())
    return values.pop() if len(values) == 1 and values <= set(KNOWN) else UNSPECIFIED


def _evidence(found: Mapping[str, Mapping[str, Mapping[str, str]]]) -> str:
    """By form; by dtype only where dtypes differ."""
    told = by_value({dtype: "; ".join(_shown(form, fate) for form, fate in fates.items()) for dtype, fates in found.items()})
    return "; ".join(f"in {dtypes} {what}" for dtypes, what in told.items()) if len(told) > 1 else next(iter(told.values()))


def _shown(form: str, fate: Mapping[str, str]) -> str:
    values = set(fate.values())
    gives = values.pop() if len(values) == 1 else ", ".join(f"{what} {given}" for what, given in fate.items())
    return f"by {form.replace('_', ' ')}: {gives}"


def _fates(lab: Lab, dtype: str) -> dict[str, dict[str, str]]:
    """Form -> what is hidden by it -> what the rows give; without what is refused, and what leaves no row empty."""
    fates: dict[str, dict[str, str]] = {}
    for form, what, options in _ways(lab.layer):
        if lab.asks(*(option for option in options if option not in ("queries", "keys"))) and (
            fate := _fate(lab, lab.x(dtype=dtype, **options), form)
        ):
            fates.setdefault(form, {})[what] = fate
    return fates


def _ways(layer: bool) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Form, what is hidden, and the sizes and options of a call."""
    yield from (("mask", what, {"mask": mask}) for what, mask in MASKS.items())
    yield "no_keys", "no keys", {"keys": 0}
    if layer:
        return
    yield from (("bias", what, {"bias": _additive(mask)}) for what, mask in MASKS.items())
    yield "causal", "is_causal", {"is_causal": True, "queries": 9}
    yield "causal", "window", {"window": (0, 0), "queries": 9}
    yield "lengths", "key_lengths", {"key_lengths": lambda p: (0, *[p.key_length] * (p.batch - 1))}
    yield "lengths", "query_lengths", {"query_lengths": lambda p: (p.query_length - 1,) * p.batch}
    for (one, first), (other, rest) in product(FIRST.items(), REST.items()):
        if one != other:
            yield "together", f"{one} and {other}", first | rest


def _additive(mask: Callable[[Any], masks.Mask]) -> Callable[[Any], biases.Bias]:
    return lambda p: biases.minus_infinity(mask(p))


def _fate(lab: Lab, x: Any, form: str) -> str:
    """What rows give that are empty by this form; nothing where the call is refused or has no such row."""
    try:
        out = lab(x)
    except CallFailed as trouble:
        if trouble.outcome not in REFUSALS:
            raise
        return ""
    judged = {choice: _follows(lab, x, out, form, choice) for choice in KNOWN}
    if all(follows is None for follows in judged.values()):
        return ""
    return next((choice for choice, follows in judged.items() if follows), NOTHING)


def _follows(lab: Lab, x: Any, out: np.ndarray, form: str, choice: str) -> bool | None:
    """Whether the rows give this; None if there is no such row."""
    expected = lab.expected(x, empty_rows=dict.fromkeys(EMPTY_ROWS, UNSPECIFIED) | {form: choice})
    rows = expected.exact.empty & (expected.empty_rows == choice)
    bound = expected.bounds.out if lab.layer else expected.out_bound
    return within(out, expected.out.astype(np.float64), bound, rows=rows).holds if rows.any() else None

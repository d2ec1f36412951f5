"""Values of rows that attend to nothing, by each form of hiding their keys, in each dtype."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product

import numpy as np

from attention_harness.errors import REFUSALS, CallFailed
from attention_harness.probe.experiments import Observation, experiment
from attention_harness.probe.session import NOTHING, ProbeSession, UnaskableQuestion, by_value
from attention_harness.probe.terms import CallInputs, CallProblem, SizesAndOptions
from attention_specs import biases, masks
from attention_specs.attention.spec import Expected
from attention_specs.contract import CHOICES, EMPTY_ROWS, Conventions
from attention_specs.judge import within

UNSPECIFIED = "unspecified"
KNOWN = [str(choice) for choice in CHOICES["empty_rows"] if choice != UNSPECIFIED]

MASKS: dict[str, Callable[[CallProblem], masks.Mask]] = {
    "one query": lambda p: masks.hidden_query(p.query_length - 1),
    "one batch entry": lambda p: masks.key_padding((0, *[p.key_length] * (p.batch - 1))),
    "some rows of some heads": lambda p: masks.random(3, 0.5, "bhi"),
}
"""Masks in three broadcast shapes."""

FIRST: dict[str, SizesAndOptions] = {
    "mask": {"mask": masks.hidden_key(0)},
    "bias": {"bias": biases.minus_infinity(masks.hidden_key(0))},
    "lengths": {"key_lengths": lambda p: (0,) * p.batch},
}
REST: dict[str, SizesAndOptions] = {
    "mask": {"mask": masks.prefix(1)},
    "bias": {"bias": biases.minus_infinity(masks.prefix(1))},
    "lengths": {"key_lengths": lambda p: (1,) * p.batch},
    "is_causal": {"is_causal": True},
    "window": {"window": (0, 0)},
}
"""Options that hide the first key, and options that hide the others, at least from the first query: two together hide all."""


@experiment(layers=True)
def empty_rows(session: ProbeSession) -> Observation:
    """Rows hidden by a mask, by a bias of -inf, by rules, by two of these together, and by there being no key."""
    session.require_plain()
    by_dtype = {dtype: fates for dtype in session.dtypes if (fates := _fates(session, dtype))}
    if not by_dtype:
        raise UnaskableQuestion("no call with an empty row is answered")
    values = {dtype: _specified({form: _one(fate) for form, fate in fates.items()}) for dtype, fates in by_dtype.items()}
    return Observation("empty_rows", _declaration(values), _evidence(by_dtype), row_values=values)


def _specified(values: Mapping[str, str]) -> dict[str, str]:
    """Form -> value, without the one that is unspecified: the mean of no keys."""
    mean = values.get("mask", values.get("bias")) == "uniform"
    return {form: value for form, value in values.items() if not (mean and form == "no_keys")}


def implied(declared: object, form: str, forms: Mapping[str, str], dtype: str) -> str:
    """The value that a declaration implies for a form; for two together, unless declared, the one value of all `forms` alone."""
    conventions = Conventions.declared({"empty_rows": declared})
    if form != "together":
        value = conventions.empty_rows_of(form, dtype)
        return UNSPECIFIED if (form, value) == ("no_keys", "uniform") else value
    alone = {conventions.empty_rows_of(name, dtype) for name in forms if name not in ("together", "no_keys")}
    return conventions.empty_rows_of(form, dtype, absent=alone.pop() if len(alone) == 1 else UNSPECIFIED)


def _declaration(values: Mapping[str, Mapping[str, str]]) -> str | Mapping[str, str | Mapping[str, str]]:
    """The shortest declaration of these values by dtype and form: one value, or by form, or by dtype."""
    together = {form: value for forms in values.values() for form, value in forms.items()}
    if all(forms.items() <= together.items() for forms in values.values()):
        return _briefly(together)
    return {dtype: _briefly(forms) for dtype, forms in values.items()}


def _briefly(values: Mapping[str, str]) -> str | dict[str, str]:
    """One value if all forms give it, else without the forms that the others imply."""
    if len(set(values.values())) == 1:
        return next(iter(values.values()))
    primary = {form: value for form, value in values.items() if form in ("mask", "bias")}
    further = {
        form: value for form, value in values.items() if form not in primary and implied(primary, form, values, "") != value
    }
    return primary | further


def _one(fate: Mapping[str, str]) -> str:
    """The value of all; unspecified where they differ, or give something else."""
    values = set(fate.values())
    return values.pop() if len(values) == 1 and values <= set(KNOWN) else UNSPECIFIED


def _evidence(by_dtype: Mapping[str, Mapping[str, Mapping[str, str]]]) -> str:
    """By form; by dtype only where dtypes differ."""
    texts = by_value({dtype: "; ".join(_text(form, fate) for form, fate in fates.items()) for dtype, fates in by_dtype.items()})
    return "; ".join(f"in {dtypes} {text}" for dtypes, text in texts.items()) if len(texts) > 1 else next(iter(texts.values()))


def _text(form: str, fate: Mapping[str, str]) -> str:
    values = set(fate.values())
    gives = values.pop() if len(values) == 1 else ", ".join(f"{what} {given}" for what, given in fate.items())
    return f"by {form.replace('_', ' ')}: {gives}"


def _fates(session: ProbeSession, dtype: str) -> dict[str, dict[str, str]]:
    """Form -> the thing hidden by it -> the value of the rows; without calls that are refused or leave no row empty."""
    fates: dict[str, dict[str, str]] = {}
    for form, what, options in _ways(session.layer):
        if session.asks(*(option for option in options if option not in ("queries", "keys"))) and (
            fate := _fate(session, session.inputs(dtype=dtype, **options), form)
        ):
            fates.setdefault(form, {})[what] = fate
    return fates


def _ways(layer: bool) -> Iterator[tuple[str, str, SizesAndOptions]]:
    """Form, the thing hidden, and the sizes and options of a call."""
    yield from (("mask", what, SizesAndOptions(mask=mask)) for what, mask in MASKS.items())
    yield "no_keys", "no keys", {"keys": 0}
    if layer:
        return
    yield from (("bias", what, SizesAndOptions(bias=_additive(mask))) for what, mask in MASKS.items())
    yield "causal", "is_causal", {"is_causal": True, "queries": 9}
    yield "causal", "window", {"window": (0, 0), "queries": 9}
    yield "lengths", "key_lengths", {"key_lengths": lambda p: (0, *[p.key_length] * (p.batch - 1))}
    yield "lengths", "query_lengths", {"query_lengths": lambda p: (p.query_length - 1,) * p.batch}
    for (one, first), (other, rest) in product(FIRST.items(), REST.items()):
        if one != other:
            yield "together", f"{one} and {other}", first | rest


def _additive(mask: Callable[[CallProblem], masks.Mask]) -> Callable[[CallProblem], biases.Bias]:
    return lambda p: biases.minus_infinity(mask(p))


def _fate(session: ProbeSession, x: CallInputs, form: str) -> str:
    """The value of rows that are empty by this form; nothing where the call is refused or has no such row."""
    try:
        out = session(x)
    except CallFailed as failure:
        if failure.outcome not in REFUSALS:
            raise
        return ""
    judged = {choice: _follows(session, x, out, form, choice) for choice in KNOWN}
    if all(follows is None for follows in judged.values()):
        return ""
    return next((choice for choice, follows in judged.items() if follows), NOTHING)


def _follows(session: ProbeSession, x: CallInputs, out: np.ndarray, form: str, choice: str) -> bool | None:
    """Whether the rows give this; None if there is no such row."""
    expected = session.expected(x, empty_rows=dict.fromkeys(EMPTY_ROWS, UNSPECIFIED) | {form: choice})
    rows = expected.exact.empty & (expected.empty_rows == choice)
    bound = expected.out_bound if isinstance(expected, Expected) else expected.bounds.out
    return within(out, expected.out.astype(np.float64), bound, rows=rows).holds if rows.any() else None

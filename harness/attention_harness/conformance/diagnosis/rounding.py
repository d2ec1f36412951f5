"""Readings of precision: inputs, scores, weights or outputs that are rounded to fewer digits than the declaration says."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from attention_harness.conformance.diagnosis.observations import Asked, Prediction
from attention_harness.conformance.diagnosis.readings import known, register, register_call
from attention_harness.conformance.diagnosis.results import right
from attention_specs.attention.inputs import Inputs
from attention_specs.formats import numpy_dtype, unit_roundoff
from attention_specs.registry import SPECS

COARSE = ("float16", "bfloat16")
OUTPUTS = ("out", "out beside")


def rounded(a: np.ndarray, name: str) -> np.ndarray:
    """The numbers rounded to a dtype, in the dtype that they had."""
    with np.errstate(all="ignore"):
        return a.astype(np.float64).astype(numpy_dtype(name)).astype(a.dtype)


def _coarser(name: str, x: Inputs) -> bool:
    return unit_roundoff(name) > unit_roundoff(x.dtype)


def _inputs(name: str, arrays: tuple[str, ...], x: Inputs) -> Inputs | None:
    """These arrays rounded; the dtype of the call stays."""
    given = {array: value for array in arrays if (value := getattr(x, array)) is not None}
    return x.replace(**{a: rounded(value, name) for a, value in given.items()}) if given and _coarser(name, x) else None


def _weights(name: str, asked: Asked, result: str) -> Prediction | None:
    if result not in (*OUTPUTS, "weights"):
        return None
    expected = right(asked)
    if result == "weights":
        return replace(known(asked, "weights"), values=rounded(expected.weights, name))
    out = known(asked, "out")
    return replace(out, values=rounded(expected.weights, name) @ expected.exact.values)


def _stored(name: str, asked: Asked, result: str) -> Prediction | None:
    """The right values within one more rounding, to this dtype."""
    if result not in OUTPUTS or unit_roundoff(name) <= unit_roundoff(asked.x.dtype):
        return None
    out = known(asked, "out")
    return replace(out, bound=out.bound + 2 * unit_roundoff(name) * np.abs(out.values).astype(np.float64))


def _computed(asked: Asked, result: str) -> Prediction | None:
    """The right values within the bounds of sums in float32."""
    if asked.x.dtype != "float64" or result not in OUTPUTS:
        return None
    return known(replace(asked, model="computed-in-float32"), result)


def _stored_lse(name: str, asked: Asked, result: str) -> Prediction | None:
    if result != "lse" or unit_roundoff(name) <= unit_roundoff(asked.x.dtype):
        return None
    lse = asked.predicted("lse")
    return replace(lse, bound=lse.bound + 2 * unit_roundoff(name) * np.abs(lse.values).astype(np.float64))


def _holds(name: str, got: np.ndarray) -> bool:
    """Whether the dtype holds all these numbers."""
    return np.array_equal(rounded(got, name), got, equal_nan=True)


for _name in COARSE:
    _digits = "float16 or tf32" if _name == "float16" else _name
    register_call(f"q, k and v are rounded to {_digits}", partial(_inputs, _name, ("q", "k", "v")))
    register_call(f"v is rounded to {_digits}", partial(_inputs, _name, ("v",)))
    register(f"weights are rounded to {_name}", partial(_weights, _name))
for _name in ("float32", *COARSE):
    register_call(f"the bias is rounded to {_name}", partial(_inputs, _name, ("bias",)))
    register(f"the lse is rounded to {_name}", partial(_stored_lse, _name), rounds=True, shows=partial(_holds, _name))
for _spec in SPECS:
    for _name in COARSE:
        _text = f"the output is rounded to {_name}"
        register(_text, partial(_stored, _name), f"{_text} ({_spec})", spec=_spec, rounds=True, shows=partial(_holds, _name))
    _text = "float64 is computed in float32, or rounded to it"
    register(
        _text, _computed, f"{_text} ({_spec})", spec=_spec, rounds=True, shows=partial(_holds, "float32"),
        declaration='attention.precision = {"float64": "computed-in-float32"}',
    )  # fmt: skip

"""Readings that may be meant, and come with what to declare: the layout of arrays, and rows without keys."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from attention_harness.conformance.diagnosis.observations import Asked, Prediction
from attention_harness.conformance.diagnosis.readings import of_results, register
from attention_harness.conformance.diagnosis.results import call
from attention_specs.registry import SPECS

PLACED = ("mask", "bias", "window", "query_lengths", "key_lengths", "sinks", "past")
"""Options that know of heads or of positions."""


@of_results("out", declaration='attention.layout = "blhd"')
def heads_are_taken_for_positions(asked: Asked) -> Prediction | None:
    """Arrays are read as [B, L, H, D]."""
    x = call(asked)
    if x.is_causal or any(getattr(x, name) is not None for name in PLACED) or x.q.shape[2] % max(x.k.shape[2], 1):
        return None
    turned = asked.meant_as(x.replace(**{name: getattr(x, name).swapaxes(1, 2) for name in "qkv"})).predicted("out")
    values, bound = (np.broadcast_to(a, turned.values.shape).swapaxes(1, 2) for a in (turned.values, turned.bound))
    return Prediction(values, bound, turned.rows.swapaxes(1, 2))


def _empty_rows(asked: Asked, value: str) -> Prediction | None:
    if not asked.expected.exact.empty.any() or (value == "uniform" and _has_no_keys(asked)):  # nothing has no mean
        return None
    return replace(asked, conventions=replace(asked.conventions, empty_rows=value)).predicted("out")


def _has_no_keys(asked: Asked) -> bool:
    return asked.x.score_shape[3] == 0


def _zeros_without_keys(asked: Asked, result: str) -> Prediction | None:
    if asked.conventions.empty_rows != "nan" or not _has_no_keys(asked):
        return None
    return _convention_of_empty_rows("zeros", asked, result)


for _spec in SPECS:
    register(
        "a row gives NaN where its keys are hidden, and zeros where there are no keys", _zeros_without_keys,
        f"empty rows without keys are zeros ({_spec})", spec=_spec,
        declaration='attention.conventions = {"empty_rows": {"mask": "nan", "no_keys": "zeros"}}',
    )  # fmt: skip


def _convention_of_empty_rows(value: str, asked: Asked, result: str) -> Prediction | None:
    return _empty_rows(asked, value) if result in ("out", "out beside") else None


for _value, _gives in {"nan": "NaN", "uniform": "the mean of all values", "zeros": "zeros"}.items():
    for _spec in SPECS:
        register(
            f"a row that sees no key gives {_gives}", partial(_convention_of_empty_rows, _value), f"empty rows are {_value} ({_spec})",
            spec=_spec, declaration=f'attention.conventions = {{"empty_rows": "{_value}"}}',
        )  # fmt: skip

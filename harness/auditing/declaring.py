"""Attentions that declare: every value of every convention, and every pair of them, each in a sound function.

An audit that accuses one of them fails. What they declare they do: rows that see nothing, where causality and windows count
from, NaN that spreads or not, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from random import Random
from typing import Any

import numpy as np

from harness.faults import quiet
from harness.faults._parts import beside, staged, value_product
from implementations._numpy import per_query_head, visible
from specs.contract import CHOICES, Conventions, declares
from specs.sizes import require_fitting

Array = np.ndarray
Function = Callable[..., Any]

FORMS: tuple[Any, ...] = (
    *CHOICES["empty_rows"],
    {"mask": "uniform", "bias": "nan"},
    {"mask": "zeros", "bias": "uniform", "causal": "nan", "lengths": "zeros", "together": "nan", "no_keys": "zeros"},
    {"float16": "nan", "float32": {"mask": "uniform", "causal": "zeros"}, "mask": "nan"},
)
"""What is declared of rows that see no key: alike for all, by form, and by dtype."""

PATTERNS = ((0, 0, 1, 1), (0, 1, 0, 1), (0, 1, 1, 0), (1, 1, 0, 0), (1, 0, 1, 0), (1, 0, 0, 1))
"""Two choices over the four of `masked_nan_safe`, each twice."""

SEED = 0
"""With this one every two choices meet in some function; a test counts them."""


def choices() -> Iterator[dict[str, Any]]:
    """Conventions, and the layout, of one function after the other."""
    rng, names = Random(SEED), [name for name, values in CHOICES.items() if len(values) == 2]
    for rows in FORMS:
        patterns = {name: rng.choice(PATTERNS) for name in (*names, "layout")}
        for number, safe in enumerate(CHOICES["masked_nan_safe"]):
            two = {name: CHOICES[name][patterns[name][number]] for name in names}
            yield {"empty_rows": rows, "masked_nan_safe": safe, **two, "layout": ("bhld", "blhd")[patterns["layout"][number]]}


@cache
def declaring() -> dict[str, Function]:
    """Name -> function."""
    return {f"declares {number}": conforming(**chosen) for number, chosen in enumerate(choices(), 1)}


def conforming(layout: str = "bhld", **chosen: Any) -> Function:
    """A sound attention that does what these conventions say, in float32 or wider."""
    conventions, chance = Conventions.declared(chosen), Random(SEED)

    @declares(layout=layout, conventions=chosen)
    def attend(q: Array, k: Array, v: Array, **o: Any) -> Any:
        q, k, v = (_turned(a, layout) for a in (q, k, v))
        if conventions.checks_shapes:
            require_fitting(q, k, v, o.get("mask"), o.get("bias"))
        step = 1 if conventions.deterministic else chance.choice((1, -1))
        return beside(_answer(q, k, v, conventions, step, o), lambda out: _turned(out, layout))

    return quiet(attend)


def _turned(a: Array, layout: str) -> Array:
    return a if layout == "bhld" else a.transpose(0, 2, 1, 3)


def _answer(q: Array, k: Array, v: Array, conventions: Conventions, step: int, o: dict[str, Any]) -> Any:
    """The attention with its options meant as declared. Values are summed from the last key on where the step is -1."""
    shown = _shown(q, k, conventions, o)
    seen = np.logical_and.reduce([np.broadcast_to(a, (*q.shape[:3], k.shape[2])) for a in shown.values()])
    plain = {name: a for name, a in o.items() if name not in RULES}

    def product(weights: Array, values: Array) -> Array:
        weights, values = weights[..., ::step], values[..., ::step, :]
        out = value_product(weights, values) if _safe(conventions, "values") else weights @ values
        keys = np.isfinite(per_query_head(k, q.shape[1], values.dtype)).all((2, 3))[:, :, None, None]
        out = out if _safe(conventions, "keys") else np.where(keys, out, np.nan)
        return _filled(out, values, {name: a for name, a in shown.items() if name != "nothing"}, seen, conventions, q.dtype.name)

    result = staged(q, k, v, **plain, mask=seen, product=product)
    if o.get("return_lse") and conventions.lse_base == "2":
        return (*result[:-1], (result[-1] / np.log(2)).astype(result[-1].dtype))
    return result


RULES = ("mask", "is_causal", "window", "query_lengths", "key_lengths")


def _safe(conventions: Conventions, what: str) -> bool:
    return conventions.masked_nan_safe in (True, what)


def _shown(q: Array, k: Array, conventions: Conventions, o: Mapping[str, Any]) -> dict[str, Array]:
    """Form that is given -> where it lets attend; rules count from where they are declared to."""
    i, j, end = np.arange(q.shape[2]), np.arange(k.shape[2]), k.shape[2] - q.shape[2]
    shifts = [end if name == "bottom-right" else 0 for name in (conventions.causal_alignment, conventions.window_alignment)]
    causal = visible(shifts[0], i, j, bool(o.get("is_causal")), None, None, None)
    window = visible(shifts[1], i, j, False, o.get("window"), None, None)
    lengths = visible(0, i, j, False, None, o.get("query_lengths"), o.get("key_lengths"))
    shown = {"nothing": np.ones((1, 1, 1, 1), bool), "causal": causal & window, "lengths": lengths}
    shown |= {"mask": o["mask"]} if o.get("mask") is not None else {}
    return shown | ({"bias": o["bias"] != -np.inf} if o.get("bias") is not None else {})


def _filled(out: Array, values: Array, shown: Mapping[str, Array], seen: Array, conventions: Conventions, dtype: str) -> Array:
    """The output with what is declared in rows that see no key; an odd number where nothing is."""
    out = out.copy()
    with np.errstate(all="ignore"):
        mean = values.sum(2) / values.dtype.type(values.shape[2])
    hides = {form: ~np.broadcast_to(a, seen.shape) for form, a in shown.items()}
    for row in zip(*np.nonzero(~seen.any(-1)), strict=True):
        forms = [form for form, a in hides.items() if a[row].any()]
        out[row] = {"zeros": 0.0, "nan": np.nan, "uniform": mean[row[:2]]}.get(_declared(forms, conventions, dtype), 123.0)
    return out


def _declared(forms: Sequence[str], conventions: Conventions, dtype: str) -> str:
    """What is declared of a row whose keys these forms hide."""
    if len(forms) < 2:
        return conventions.empty_rows_of(forms[0] if forms else "no_keys", dtype)
    alone = {conventions.empty_rows_of(form, dtype) for form in forms}
    return conventions.empty_rows_of("together", dtype, absent=alone.pop() if len(alone) == 1 else "unspecified")

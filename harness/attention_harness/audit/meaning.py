"""The meaning of a call under declared conventions: the keys that are seen, and the result of rows without any. NumPy's arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from attention_implementations.numpy._common import visible
from attention_specs.contract import Conventions

Answer = TypeVar("Answer")
Array = np.ndarray


class Meant(NamedTuple):
    """`seen`, bool [B, Hq, Lq, Lk]; `rows`, str [B, Hq, Lq]: the declaration about a row that sees nothing, "" of others."""

    seen: Array
    rows: Array


def meant(shape: tuple[int, ...], past: int, o: Mapping[str, Any], conventions: Conventions, dtype: str) -> Meant:
    """The rules, mask and hidden places of the bias together; query i stands at past + i where rules count from the start."""
    places = _open_places(shape, past, o, conventions)
    seen = np.logical_and.reduce([np.broadcast_to(a, shape) for a in places.values()])
    hides = {form: ~np.broadcast_to(a, shape) for form, a in places.items() if form != "nothing"}
    rows = np.full(shape[:3], "", "U11")
    for row in zip(*np.nonzero(~seen.any(-1)), strict=True):
        rows[row] = _declared([form for form, a in hides.items() if a[row].any()], conventions, dtype)
    return Meant(seen, rows)


def _open_places(shape: tuple[int, ...], past: int, o: Mapping[str, Any], conventions: Conventions) -> dict[str, Array]:
    """Form that is given -> where it lets attend; rules count from where they are declared to."""
    i, j, end = np.arange(shape[2]), np.arange(shape[3]), _end(shape, o)
    shifts = [end if name == "bottom-right" else past for name in (conventions.causal_alignment, conventions.window_alignment)]
    causal = visible(shifts[0], i, j, bool(o.get("is_causal")), None, None, None)
    window = visible(shifts[1], i, j, False, o.get("window"), None, None)
    lengths = visible(0, i, j, False, None, o.get("query_lengths"), o.get("key_lengths"))
    places = {"nothing": np.ones((1, 1, 1, 1), bool), "causal": causal & window, "lengths": lengths}
    return places | {name: o[name] for name in ("mask", "bias") if o.get(name) is not None}


def _end(shape: tuple[int, ...], o: Mapping[str, object]) -> Array:
    """How far the last key lies behind the last query: of each entry, [B, 1, 1, 1], where it has lengths."""
    queries, keys = (
        np.asarray(length if o.get(name) is None else o[name]).reshape(-1, 1, 1, 1)
        for name, length in (("query_lengths", shape[2]), ("key_lengths", shape[3]))
    )
    return keys - queries


def _declared(forms: Sequence[str], conventions: Conventions, dtype: str) -> str:
    """The declaration about a row whose keys these forms hide."""
    if len(forms) < 2:
        return conventions.empty_rows_of(forms[0] if forms else "no_keys", dtype)
    alone = {conventions.empty_rows_of(form, dtype) for form in forms}
    return conventions.empty_rows_of("together", dtype, absent=alone.pop() if len(alone) == 1 else "unspecified")


def filled(where: Callable[[Array, Answer | float, Answer], Answer], out: Answer, mean: Answer, rows: Array) -> Answer:
    """The output with what is declared in rows that see no key; an odd number where nothing is."""
    for name, value in (("zeros", 0.0), ("nan", np.nan), ("uniform", mean), ("unspecified", ODD)):
        out = where((rows == name)[..., None], value, out)
    return out


ODD = 123.0


def safe(conventions: Conventions, what: str) -> bool:
    """Whether NaN at hidden keys, or at their values, is declared to have no influence."""
    return conventions.masked_nan_safe in (True, what)

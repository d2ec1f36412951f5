"""A call as anybody writes it: arrays of any framework and options become `Inputs`, or a ValueError that names the mistake."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite, nan
from operator import index
from typing import Any, TypedDict

import numpy as np

from attention_harness.frameworks.values import values
from attention_specs.attention.inputs import Inputs
from attention_specs.choices import one_of
from attention_specs.contract import CACHE, Conventions
from attention_specs.formats import DTYPES
from attention_specs.sizes import require_fitting

LAYOUTS = {"bhld": "[batch, heads, length, dim]", "blhd": "[batch, length, heads, dim]"}


class Options(TypedDict, total=False):
    """Options of the contract, and the conventions that decide an output; absent or None: as `attention.md` has it (O1, C)."""

    mask: Any
    bias: Any
    is_causal: bool
    scale: float | None
    window: tuple[int | None, int | None] | None
    softcap: float | None
    sinks: Any
    query_lengths: Any
    key_lengths: Any
    past_k: Any
    past_v: Any
    causal_alignment: str
    window_alignment: str
    empty_rows: str | Mapping[str, str | Mapping[str, str]]


CONVENTIONS = ("causal_alignment", "window_alignment", "empty_rows")
IN_DTYPE = ("bias", "sinks")
LENGTHS = ("query_lengths", "key_lengths")
IN_LAYOUT = ("q", "k", "v", *CACHE)
ARRAYS = (*IN_LAYOUT, "mask", *IN_DTYPE, *LENGTHS)


@dataclass(frozen=True, eq=False)
class GivenCall:
    """The inputs, [B, H, L, D] whatever the layout, and the conventions that are declared beside them."""

    x: Inputs
    conventions: Conventions
    layout: str

    def turned(self, a: np.ndarray) -> np.ndarray:
        """An array of `layout` as [B, H, L, D], and back."""
        return turned(a, self.layout)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of the output, in the layout."""
        batch, heads, length, dim = self.x.output_shape
        return (batch, heads, length, dim) if self.layout == "bhld" else (batch, length, heads, dim)


def given_call(q: object, k: object, v: object, layout: str, options: Mapping[str, Any]) -> GivenCall:
    """The call with these arrays, of any framework each. Raises ValueError."""
    layout = one_of("layout", layout, LAYOUTS)
    for name in options:
        one_of("option", name, Options.__annotations__)
    given = {"q": q, "k": k, "v": v} | {name: value for name, value in options.items() if value is not None}
    conventions = Conventions.declared({name: given[name] for name in CONVENTIONS if name in given})
    arrays = {name: _array(name, given[name], layout) for name in ARRAYS if name in given}
    _require_dtypes(arrays)
    _require_sizes(arrays)
    x = Inputs(**_with_cache(arrays), **{name: read(name, given[name]) for name, read in PLAIN.items() if name in given})
    _require_meaning(x)
    return GivenCall(x, conventions, layout)


def turned(a: np.ndarray, layout: str) -> np.ndarray:
    """An array of that layout as [B, H, L, D], and back."""
    return a if layout == "bhld" else a.swapaxes(1, 2)


def _array(name: str, given: object, layout: str) -> np.ndarray:
    if name in LENGTHS and isinstance(given, list | tuple):
        given = np.array(given)
    a = values(given, name)
    if name not in IN_LAYOUT:
        return a
    if a.ndim != 4:
        raise ValueError(f"axes of {name}={a.ndim}, but should be 4, {LAYOUTS[layout]}; add those of size 1, as in {name}[None]")
    return turned(a, layout)


def _require_dtypes(arrays: Mapping[str, np.ndarray]) -> None:
    wanted = arrays["q"].dtype.name
    if wanted not in DTYPES:
        raise ValueError(f"dtype of q={wanted}, but should be one of {', '.join(DTYPES)}; convert it")
    for name, a in arrays.items():
        dtype, kind = a.dtype.name, a.dtype.kind
        if name in (*IN_LAYOUT, *IN_DTYPE) and dtype != wanted:
            raise ValueError(f"dtype of {name}={dtype}, but should be that of q, {wanted}; convert one of them")
        if name in LENGTHS and kind not in "iu":
            raise ValueError(f"dtype of {name}={dtype}, but should be int64")
        if name == "mask" and kind not in "biu":
            raise ValueError(f"dtype of mask={dtype}, but should be bool, True = attend; numbers to add to scores are a `bias`")


def _require_sizes(arrays: Mapping[str, np.ndarray]) -> None:
    q, k, v = (arrays[name] for name in ("q", "k", "v"))
    require_fitting(q, k, v)
    if q.shape[1] and not k.shape[1]:
        raise ValueError(f"key_heads=0, but should be at least 1 for query_heads={q.shape[1]}")
    for name, shape in {"sinks": q.shape[1:2], "query_lengths": q.shape[:1], "key_lengths": q.shape[:1]}.items():
        if name in arrays and arrays[name].shape != shape:
            raise ValueError(f"shape of {name}={arrays[name].shape}, but should be {shape}")
    cached = [arrays[name] for name in CACHE if name in arrays]
    if len(cached) == 1:
        raise ValueError(f"cache=one of {', '.join(CACHE)}, but should be both")
    for name, a, new in zip(CACHE, cached, (k, v), strict=False):
        wanted = (*new.shape[:2], cached[0].shape[2], new.shape[3])
        if a.shape != wanted:
            raise ValueError(f"shape of {name}={a.shape}, but should be {wanted}, with a length of its own")


def _with_cache(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The arrays as `Inputs` have them: keys and values of a cache in front of the others, masks of bool, lengths of int64."""
    joined: dict[str, Any] = {name: a for name, a in arrays.items() if name not in CACHE}
    if "past_k" in arrays:
        joined |= {name: np.concatenate([arrays[f"past_{name}"], arrays[name]], axis=2) for name in ("k", "v")}
        joined["past"] = arrays["past_k"].shape[2]
    require_fitting(joined["q"], joined["k"], joined["v"], joined.get("mask"), joined.get("bias"))
    masks = {"mask": joined["mask"] != 0} if "mask" in joined else {}
    return joined | masks | {name: joined[name].astype(np.int64) for name in LENGTHS if name in joined}


def _number(name: str, given: Any) -> float:
    try:
        number = float(given)
    except (TypeError, ValueError):
        number = nan
    if not isfinite(number):
        raise ValueError(f"{name}={given}, but should be a finite number")
    return number


def _softcap(name: str, given: Any) -> float:
    if _number(name, given) <= 0:
        raise ValueError(f"{name}={given}, but should be above 0; leave it out for no cap")
    return _number(name, given)


def _window(name: str, given: Any) -> tuple[int | None, int | None]:
    try:
        left, right = (None if side is None else index(side) for side in given)
    except (TypeError, ValueError):
        left = right = -1
    if min(left or 0, right or 0) < 0:
        raise ValueError(f"{name}={given}, but should be (left, right), whole numbers from 0 on, or None for an open side")
    return left, right


def _bool(name: str, given: Any) -> bool:
    return one_of(name, given, (False, True))


PLAIN: dict[str, Callable[[str, Any], Any]] = {"is_causal": _bool, "scale": _number, "softcap": _softcap, "window": _window}
"""Options that are no arrays, and how they are read. ValueErrors."""


def _require_meaning(x: Inputs) -> None:
    """ValueError where the definition has no answer: lengths beyond the arrays, and numbers to add that are not finite."""
    for name, length in (("query_lengths", x.q.shape[2]), ("key_lengths", x.k.shape[2])):
        lengths = getattr(x, name)
        if lengths is not None and not ((lengths >= 0) & (lengths <= length)).all():
            raise ValueError(f"{name}={lengths.tolist()}, but should be from 0 to {length}")
    if x.bias is not None and not (x.bias < np.inf).all():
        raise ValueError("bias=a number that is NaN or infinity, but should be finite, or -inf to hide a key")
    if x.sinks is not None and not np.isfinite(x.sinks).all():
        raise ValueError("sinks=a number that is not finite, but should be finite")

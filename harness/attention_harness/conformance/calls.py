"""A call as anybody writes it: arrays of any framework and options become `Inputs`, or a ValueError that names the mistake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
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
ARRAYS = ("mask", *IN_DTYPE, *LENGTHS, *CACHE)


@dataclass(frozen=True, eq=False)
class GivenCall:
    """The inputs, [B, H, L, D] whatever the layout, and the conventions that are declared beside them."""

    x: Inputs
    conventions: Conventions
    layout: str

    def turned(self, a: np.ndarray) -> np.ndarray:
        """An array of `layout` as [B, H, L, D], and back."""
        return turned(a, self.layout)


def given_call(q: object, k: object, v: object, layout: str, options: Mapping[str, Any]) -> GivenCall:
    """The call with these arrays, of any framework each. Raises ValueError."""
    layout = one_of("layout", layout, LAYOUTS)
    for name in options:
        one_of("option", name, Options.__annotations__)
    given = {name: value for name, value in options.items() if value is not None}
    arrays = {"q": q, "k": k, "v": v} | {name: given.pop(name) for name in ARRAYS if name in given}
    conventions = Conventions.declared({name: given.pop(name) for name in CONVENTIONS if name in given})
    read = {name: values(array, name) for name, array in arrays.items()}
    for name in (name for name in ("q", "k", "v", *CACHE) if name in read):
        read[name] = turned(_of_four_axes(read[name], name, layout), layout)
    _require_dtypes(read)
    read |= _require_sizes(read)
    return GivenCall(_checked(_joined(read, _numbers(given))), conventions, layout)


def turned(a: np.ndarray, layout: str) -> np.ndarray:
    """An array of that layout as [B, H, L, D], and back."""
    return a if layout == "bhld" else a.swapaxes(1, 2)


def _of_four_axes(a: np.ndarray, name: str, layout: str) -> np.ndarray:
    if a.ndim == 4:
        return a
    raise ValueError(f"axes of {name}={a.ndim}, but should be 4, {LAYOUTS[layout]}; add those of size 1, as in {name}[None]")


def _require_dtypes(arrays: Mapping[str, np.ndarray]) -> None:
    dtype = arrays["q"].dtype
    if dtype.name not in DTYPES:
        raise ValueError(f"dtype of q={dtype.name}, but should be one of {', '.join(DTYPES)}; convert it")
    for name in (name for name in ("k", "v", *CACHE, *IN_DTYPE) if name in arrays):
        if arrays[name].dtype != dtype:
            raise ValueError(
                f"dtype of {name}={arrays[name].dtype.name}, but should be that of q, {dtype.name}; convert one of them"
            )
    if "mask" in arrays and arrays["mask"].dtype.kind not in "biu":
        raise ValueError(
            f"dtype of mask={arrays['mask'].dtype.name}, but should be bool, True = attend; numbers to add to scores are a `bias`"
        )
    for name in (name for name in LENGTHS if name in arrays):
        if arrays[name].dtype.kind not in "iu":
            raise ValueError(f"dtype of {name}={arrays[name].dtype.name}, but should be int64")


def _require_sizes(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The keys and values, those of a cache in front."""
    q, k, v = (arrays[name] for name in "qkv")
    require_fitting(q, k, v)
    if (heads := k.shape[1]) == 0 and q.shape[1]:
        raise ValueError(f"key_heads={heads}, but should be at least 1 for query_heads={q.shape[1]}")
    cached = [arrays.pop(name) for name in CACHE if name in arrays]
    if len(cached) == 1:
        raise ValueError(f"cache=one of {', '.join(CACHE)}, but should be both")
    if cached:
        past_k, past_v = cached
        require_fitting(q, past_k, past_v)
        if past_k.shape[1] != heads or past_v.shape[3] != v.shape[3]:
            raise ValueError(f"shape of past_v={past_v.shape}, but should have heads and dim of v, {v.shape}")
        k, v = (np.concatenate(pair, axis=2) for pair in ((past_k, k), (past_v, v)))
    require_fitting(q, k, v, arrays.get("mask"), arrays.get("bias"))
    for name, shape in (("sinks", (q.shape[1],)), *((name, (q.shape[0],)) for name in LENGTHS)):
        if name in arrays and arrays[name].shape != shape:
            raise ValueError(f"shape of {name}={arrays[name].shape}, but should be {shape}")
    return {"k": k, "v": v} | ({"past": cached[0].shape[2]} if cached else {})


def _joined(arrays: dict[str, Any], numbers: Mapping[str, Any]) -> Inputs:
    mask = {"mask": arrays["mask"] != 0} if "mask" in arrays else {}
    lengths = {name: arrays[name].astype(np.int64) for name in LENGTHS if name in arrays}
    return Inputs(**arrays | mask | lengths, **numbers)


def _numbers(given: Mapping[str, Any]) -> dict[str, Any]:
    """Scale, softcap and window as plain numbers."""
    numbers = dict(given)
    for name in (name for name in ("scale", "softcap") if name in numbers):
        numbers[name] = float(numbers[name])
        if not isfinite(numbers[name]) or (name == "softcap" and numbers[name] <= 0):
            raise ValueError(f"{name}={numbers[name]:g}, but should be a finite number{' above 0' if name == 'softcap' else ''}")
    if "window" in numbers:
        sides = tuple(None if side is None else int(side) for side in numbers["window"])
        if len(sides) != 2 or any(side is not None and side < 0 for side in sides):
            raise ValueError(
                f"window={numbers['window']}, but should be (left, right), each at least 0, or None where it is open"
            )
        numbers["window"] = sides
    if "is_causal" in numbers:
        numbers["is_causal"] = one_of("is_causal", numbers["is_causal"], (False, True))
    return numbers


def _checked(x: Inputs) -> Inputs:
    """The call, if the definition has an answer to it: lengths within the arrays, and finite numbers wherever a query looks."""
    for name, length in (("query_lengths", x.q.shape[2]), ("key_lengths", x.k.shape[2])):
        lengths = getattr(x, name)
        if lengths is not None and not ((lengths >= 0) & (lengths <= length)).all():
            raise ValueError(f"{name}={lengths.tolist()}, but should be from 0 to {length}")
    if x.bias is not None and not (x.bias < np.inf).all():
        raise ValueError("bias=a number that is NaN or infinity, but should be finite, or -inf to hide a key")
    if x.sinks is not None and not np.isfinite(x.sinks).all():
        raise ValueError("sinks=a number that is not finite, but should be finite")
    return x

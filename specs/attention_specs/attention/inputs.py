"""The arrays and options of one call, and how a case becomes them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from operator import and_
from typing import Any

import numpy as np

from attention_specs import masks
from attention_specs.attention.problem import Problem, Window
from attention_specs.attention.recipes import RECIPES
from attention_specs.attention.storage import Storage
from attention_specs.case import Case
from attention_specs.contract import Conventions, Description
from attention_specs.formats import numpy_dtype
from attention_specs.layouts import INSIDE_K, LAYOUTS
from attention_specs.remembered import remembered
from attention_specs.stopwatch import timed

RULES: dict[str, Any] = {"is_causal": False, "window": None, "query_lengths": None, "key_lengths": None}
"""Option that a mask can express -> its value where it hides nothing."""
POSITIONAL = ("is_causal", "window")
"""Those of them that a cache moves, and lengths where they count from the end."""
LENGTHS = ("query_lengths", "key_lengths")


@dataclass(frozen=True, eq=False)
class Inputs:
    """One call: q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv], and the options of the contract.

    The first `past` keys and values are those of a cache; they are here joined with the others.
    """

    q: np.ndarray
    k: np.ndarray
    v: np.ndarray
    mask: np.ndarray | None = None
    bias: np.ndarray | None = None
    is_causal: bool = False
    scale: float | None = None
    window: Window | None = None
    softcap: float | None = None
    sinks: np.ndarray | None = None
    query_lengths: np.ndarray | None = None
    key_lengths: np.ndarray | None = None
    past: int | None = None
    causal_alignment: str = "top-left"
    window_alignment: str = "top-left"
    """Where is_causal and window count from, as declared: query 0 and key 0, or the last query and key of each entry."""
    answers: Mapping[str, np.ndarray] = field(default_factory=dict)
    """The answers of another source: "out", "weights"."""
    storage: Storage | None = None
    """How some arrays are handed over, as declared: as codes of eight bits, beside their scales."""
    factors: tuple[float, float] = (1.0, 1.0)
    """Of all scales of keys, and of values; the numbers that are meant are so many times those of k and v."""

    def replace(self, **changes: Any) -> Inputs:
        """The same call with other arrays or options."""
        return replace(self, **changes)

    @property
    def score_shape(self) -> tuple[int, int, int, int]:
        """[batch, query heads, query length, key length]."""
        return self.q.shape[0], self.q.shape[1], self.q.shape[2], self.k.shape[2]

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        """[batch, query heads, query length, value dim]."""
        return self.q.shape[0], self.q.shape[1], self.q.shape[2], self.v.shape[3]

    @cached_property
    def dtype(self) -> str:
        """Name of the dtype of the query, and so of the output."""
        return self.q.dtype.name

    @property
    def group(self) -> int:
        """Query heads per key head: query head h reads key head h // group."""
        return self.q.shape[1] // max(self.k.shape[1], 1)

    def under(self, conventions: Conventions) -> Inputs:
        """The same call, meant as declared; x itself where it is already."""
        declared = (conventions.causal_alignment, conventions.window_alignment)
        if declared == (self.causal_alignment, self.window_alignment):
            return self
        return self.replace(causal_alignment=declared[0], window_alignment=declared[1])

    def stored_as(self, storage: Storage | None) -> Inputs:
        """The call with the nearest numbers that can be stored so; x itself without storage, or where it is stored so already."""
        if storage is None:
            return self
        arrays = {name: storage.snapped(getattr(self, name)) for name in storage.arrays}
        if storage == self.storage and all(arrays[name] is getattr(self, name) for name in arrays):
            return self
        return self.replace(**arrays, storage=storage, answers={})

    def as_declared(self, description: Description) -> Inputs:
        """The call as an implementation of this description is to understand it, with the numbers that it can be given."""
        return self.under(description.conventions).stored_as(Storage.declared(description.storage))

    @remembered
    def numbers(self) -> Inputs:
        """The call about the numbers that the stored ones stand for: exactly those that the implementation gets."""
        x = self.stored_as(self.storage)
        if x.factors == (1.0, 1.0):
            return x
        k, v = (np.float64(np.float32(factor)) * a.astype(np.float64) for factor, a in zip(x.factors, (x.k, x.v), strict=True))
        return x.replace(k=k, v=v, factors=(1.0, 1.0))

    def part(self, entries: slice, heads: slice) -> Inputs:
        """The call of some batch entries and query heads alone, each head with its key head beside it: Hkv is Hq."""
        keys = np.arange(self.q.shape[1])[heads] // max(self.group, 1)
        arrays = {"q": self.q[entries, heads], "k": self.k[entries][:, keys], "v": self.v[entries][:, keys]}
        lengths = {name: None if (a := getattr(self, name)) is None else a[entries] for name in ("query_lengths", "key_lengths")}
        sinks = None if self.sinks is None else self.sinks[heads]
        masks = {"mask": _part(self.mask, entries, heads), "bias": _part(self.bias, entries, heads)}
        return self.replace(**arrays, **lengths, **masks, sinks=sinks)

    @property
    def causal_shift(self) -> np.ndarray:
        """[B, 1, 1, 1]: under is_causal, query i of entry b sees the keys up to i + causal_shift[b]."""
        return np.broadcast_to(self._shift(self.causal_alignment), self.q.shape[0]).reshape(-1, 1, 1, 1)

    def _shift(self, alignment: str) -> int | np.ndarray:
        """Query i counts from the key i + shift: a number [B] where entries have lengths, and the last key is that within them."""
        if alignment == "top-left":
            return self.past or 0
        queries, keys = self.query_lengths, self.key_lengths
        end: int | np.ndarray = self.k.shape[2] if keys is None else keys
        return end - (self.q.shape[2] if queries is None else queries)

    def positional(self) -> list[masks.Mask]:
        """The masks that is_causal and window describe, as declared."""
        return [mask for name, mask in self._described().items() if name in POSITIONAL]

    def lengths(self) -> list[masks.Mask]:
        """The masks that lengths of keys and queries describe."""
        return [mask for name, mask in self._described().items() if name not in POSITIONAL]

    def rules(self) -> masks.Mask | None:
        """The mask that is_causal, window and lengths describe together; None if they hide nothing."""
        return _joined(list(self._described().values()))

    def _described(self) -> dict[str, masks.Mask]:
        """Rule that is given -> the mask that it describes, as declared."""
        described = {"is_causal": _from(self._shift(self.causal_alignment), None, 0)} if self.is_causal else {}
        if self.window:
            described["window"] = _from(self._shift(self.window_alignment), *self.window)
        if self.key_lengths is not None:
            described["key_lengths"] = masks.key_padding(tuple(self.key_lengths.tolist()))
        if self.query_lengths is not None:
            described["query_lengths"] = masks.query_padding(tuple(self.query_lengths.tolist()))
        return described

    def _counted_from(self, names: Collection[str]) -> set[str]:
        """The positional rules that count from the end of an entry, which nobody knows if these rules are no options."""
        ends = {"is_causal": self.causal_alignment, "window": self.window_alignment}
        given = [name for name in LENGTHS if name in names and getattr(self, name) is not None]
        return {name for name, alignment in ends.items() if given and alignment == "bottom-right"}

    def allowed(self) -> np.ndarray:
        """Bool [B, Hq, Lq, Lk]: where mask and rules allow attention, without the bias."""
        allowed = np.ones(self.score_shape, bool)
        rules = self.rules()
        if rules:
            allowed &= rules.dense(*self.score_shape)
        return allowed if self.mask is None else allowed & self.mask

    @remembered
    def visible(self) -> np.ndarray:
        """Bool [B, Hq, Lq, Lk]: where mask, rules and a bias of -inf together allow attention."""
        return self.allowed() if self.bias is None else self.allowed() & (self.bias != -np.inf)

    @remembered
    def with_explicit_mask(self) -> Inputs:
        """The same question with is_causal, window and lengths written out as `mask`, and a cache joined with the keys."""
        written = self.written_out(RULES)
        return written if written.past is None else written.replace(past=None)

    def written_out(self, names: Collection[str]) -> Inputs:
        """The same question with the rules of these names, among RULES, written out as `mask`; the others stay options.

        With lengths, so are the rules that count from the last query and key within them.
        """
        names = {*names, *self._counted_from(names)}
        rules = _joined([mask for name, mask in self._described().items() if name in names])
        if rules is None:
            return self
        dense = rules.dense(*self.score_shape)
        mask = dense if self.mask is None else dense & self.mask
        return self.replace(mask=mask, **{name: RULES[name] for name in names})


def _part(a: np.ndarray | None, entries: slice, heads: slice) -> np.ndarray | None:
    """Of an array that is broadcast to the scores: axes of size 1 serve all, and stay."""
    if a is None or a.ndim < 3:
        return a
    a = a if a.shape[-3] == 1 else a[..., heads, :, :]
    return a if a.ndim < 4 or a.shape[0] == 1 else a[entries]


def _joined(parts: list[masks.Mask]) -> masks.Mask | None:
    """All of them at once; None of none."""
    return reduce(and_, parts) if parts else None


def _from(shift: int | np.ndarray, left: int | None, right: int | None) -> masks.Mask:
    """The window as seen from the query's index, which its position is `shift` ahead of."""
    if not isinstance(shift, int):
        return masks.window_at(tuple(shift.tolist()), left, right)
    return masks.window(None if left is None else left - shift, None if right is None else right + shift)


@timed("inputs")
def realise(case: Case) -> Inputs:
    """The arrays of a case, rounded to its dtype and laid out in memory as it says. Same case, same bits."""
    p, dtype = case.problem, numpy_dtype(case.problem.dtype)
    assert isinstance(p, Problem)
    rng = np.random.default_rng(case.seed)
    q, k, v = (array.astype(dtype) for array in RECIPES[case.recipe](rng, p))
    given = {name: _given(name, numbers, dtype) for name, numbers in case.arrays.items()}
    answers = {name: given.pop(name) for name in ANSWERS if name in given}
    arrays = {"q": q, "k": k, "v": v, **_masking(p, dtype), **_sinks(rng, p, dtype), **given}
    inside = case.layouts.get("v") == INSIDE_K
    layouts = {name: layout for name, layout in case.layouts.items() if layout != INSIDE_K}
    laid_out: dict[str, Any] = {name: LAYOUTS[layouts.get(name, "contiguous")](array) for name, array in arrays.items()}
    if inside and p.value_dim <= p.head_dim:
        laid_out["v"] = laid_out["k"][..., : p.value_dim]
    return Inputs(**laid_out, **_options(p), answers=answers)


ANSWERS = ("out", "weights")


def _given(name: str, numbers: object, dtype: np.dtype) -> np.ndarray:
    """Nested lists as an array. Numbers that JSON lacks are strings there: "nan", "inf", "-inf"."""
    return np.array(numbers, bool) if name == "mask" else np.array(numbers, object).astype(np.float64).astype(dtype)


def _masking(p: Problem, dtype: np.dtype) -> dict[str, np.ndarray]:
    dense = {"mask": p.mask.dense(*p.score_shape)} if p.mask else {}
    with np.errstate(over="ignore"):  # a filler may be -inf in 16 bits
        return dense | ({"bias": p.bias.dense(*p.score_shape).astype(dtype)} if p.bias else {})


def _sinks(rng: np.random.Generator, p: Problem, dtype: np.dtype) -> dict[str, np.ndarray]:
    """About the level that is asked for; of a single head exactly there, since a sink of 0 is no absent one."""
    deviation = 0 if p.query_heads == 1 else 1
    return {} if p.sinks is None else {"sinks": (p.sinks + deviation * rng.standard_normal(p.query_heads)).astype(dtype)}


def _options(p: Problem) -> dict[str, Any]:
    lengths = {"query_lengths": p.query_lengths, "key_lengths": p.key_lengths}
    given = {name: np.asarray(value, np.int64) for name, value in lengths.items() if value is not None}
    return {"is_causal": p.is_causal, "window": p.window, "scale": p.scale, "softcap": p.softcap, "past": p.past, **given}

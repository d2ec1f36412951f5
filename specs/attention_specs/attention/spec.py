"""The attention spec as the harness sees it: from a problem to a call, and to the expected answer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from attention_specs import masks
from attention_specs.attention.bounds import AttentionBounds
from attention_specs.attention.gradient_bounds import gradient_bounds, in_range
from attention_specs.attention.gradients import Gradients, gradients
from attention_specs.attention.inputs import POSITIONAL, RULES, Inputs, realise
from attention_specs.attention.oracle import Reference, attention
from attention_specs.attention.problem import Problem
from attention_specs.attention.ranges import beyond
from attention_specs.attention.storage import OPTION
from attention_specs.contract import Conventions
from attention_specs.formats import accumulator, largest
from attention_specs.precision import Units, default_model, named_precision
from attention_specs.remembered import remembered
from attention_specs.spec import Call, Unsupported
from attention_specs.stopwatch import timed

__all__ = [
    "FUNCTION", "NAME", "Call", "Expected", "ExpectedGradient", "Problem", "Unsupported", "beyond", "call", "expect", "expect_gradient",
    "lower", "realise", "restrict",
]  # fmt: skip

NAME = "attention"
FUNCTION = "attention"
OPTIONAL = ("mask", "bias", "is_causal", "scale", "window", "softcap", "sinks", "query_lengths", "key_lengths", "past")

LOWERED = {
    "is_causal": ("mask", "bias"),
    "window": ("mask", "bias"),
    "query_lengths": ("mask", "bias"),
    "key_lengths": ("mask", "bias"),
    "mask": ("bias",),
}
"""Option -> options that can express it, best first."""


@dataclass(frozen=True, eq=False)
class Expected:
    """The right answer under the declared conventions, and its bounds."""

    out: np.ndarray
    weights: np.ndarray
    lse: np.ndarray
    bounds: AttentionBounds
    exact: Reference
    asked: Inputs
    """The call, meant as declared."""
    empty_rows: np.ndarray
    """Str [B, Hq, Lq]: the declaration for a row that sees no key, out of CHOICES["empty_rows"]; "" where a key is seen."""
    model: str
    """The precision model of these bounds."""
    lse_unit: float = 1.0
    """The natural logarithm of the base in which lse is declared."""

    @property
    def lse_bound(self) -> np.ndarray:
        """The bound of the lse in its declared base."""
        bound: np.ndarray = self.bounds.lse / self.lse_unit
        return bound

    @cached_property
    @timed("bounds")
    def out_bound(self) -> np.ndarray:
        """The bound of the output, [B, Hq, Lq, Dv], also in rows that see no key: zeros and NaN are exact, a mean is a sum."""
        if not (self.empty_rows == "uniform").any():
            return np.where(self.exact.empty[..., None], 0.0, self.bounds.out)
        flat = Inputs(np.zeros_like(self.asked.q), self.asked.k, self.asked.v)
        mean = AttentionBounds(flat, attention(flat), self.bounds.u).out
        of_empty = np.where((self.empty_rows == "uniform")[..., None], mean, 0.0)
        return np.where(self.exact.empty[..., None], of_empty, self.bounds.out)

    @property
    def lse_in_range(self) -> np.ndarray:
        """Bool [B, Hq, Lq]: rows whose lse, in its declared base, is in the range of the accumulator, or -inf."""
        in_range: np.ndarray = np.isneginf(self.lse) | (np.abs(self.lse) <= largest(accumulator(self.asked.dtype)))
        return in_range

    @property
    def specified(self) -> np.ndarray:
        """Bool [B, Hq, Lq]: rows whose answer is declared."""
        specified: np.ndarray = self.empty_rows != "unspecified"
        return specified

    def bounds_for(self, u: Units) -> AttentionBounds:
        """The bounds for other costs of rounding."""
        return AttentionBounds(self.asked, self.exact, u)


def expressible(option: str, options: Collection[str]) -> bool:
    """Whether an implementation that accepts `options` can be asked this, natively or lowered."""
    return option in (*options, "past") or any(form in options for form in LOWERED.get(option, ()))


def restrict(problem: Problem, options: Collection[str]) -> Problem:
    """The problem without the options that the implementation can be asked in no form."""
    return problem.replace(**{name: RULES.get(name) for name in OPTIONAL if not expressible(name, options)})


def lower(x: Inputs, options: Collection[str]) -> Inputs:
    """The same question in the options that the implementation has; a mask stands only for the rules without an option.

    Where there is no option for a cache, its keys are handed over with the others, and a mask stands for the rules that it moves.
    Raises Unsupported.
    """
    joined = x.past is not None and "past_k" not in options
    words = set(options) - set(_moved(x) if joined else ())
    missing = [name for name in OPTIONAL if _given(x, name) and not expressible(name, words)]
    if missing:
        parameters = dict.fromkeys("past_k" if name in options else name for name in missing)
        raise Unsupported(f"{', '.join(parameters)} not in its signature")
    x = x.written_out([rule for rule in RULES if rule not in words])
    x = x.replace(past=None) if joined else x
    return _mask_as_bias(x) if x.mask is not None and "mask" not in words else x


def _moved(x: Inputs) -> list[str]:
    """The rules that a cache moves: those that count from the first key, where the cache is no part of the keys."""
    alignments = zip(POSITIONAL, (x.causal_alignment, x.window_alignment), strict=True)
    return [rule for rule, alignment in alignments if alignment == "top-left"]


def call(x: Inputs) -> Call:
    """The arguments of the function; keys and values of a cache are handed over apart."""
    options = {name: getattr(x, name) for name in OPTIONAL if _given(x, name) and name != "past"}
    (q, k, v), scales = _stored(x)
    options |= scales
    if x.past is None:
        return Call({"q": q, "k": k, "v": v}, options)
    (past_k, k), (past_v, v) = (np.split(a, [x.past], axis=2) for a in (k, v))
    return Call({"q": q, "k": k, "v": v}, options | {"past_k": past_k, "past_v": past_v})


@remembered
def _stored(x: Inputs) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """Queries, keys and values as they are handed over, and the scales of those that are stored."""
    storage, factors = x.storage, dict(zip("kv", x.factors, strict=True))
    if storage is None:
        return [x.q, x.k, x.v], {}
    x = x.stored_as(storage)
    arrays = [storage.codes(name, getattr(x, name)) if name in storage.arrays else getattr(x, name) for name in "qkv"]
    shapes = {name: getattr(x, name).shape for name in storage.arrays}
    return arrays, {OPTION[name]: storage.scale_of(name, shape, factors.get(name, 1.0)) for name, shape in shapes.items()}


def _given(x: Inputs, option: str) -> bool:
    value = getattr(x, option)
    return value is not None and value is not False


def _mask_as_bias(x: Inputs) -> Inputs:
    hidden = np.where(np.asarray(x.mask), 0.0, -np.inf).astype(x.q.dtype)
    return x.replace(mask=None, bias=hidden if x.bias is None else (hidden + x.bias).astype(x.q.dtype))


def expect(x: Inputs, conventions: Conventions, precision: str | None) -> Expected:
    """The right answer under these conventions, and the bounds of the named precision model (default: by dtype)."""
    asked = x.under(conventions).numbers()
    exact = attention(asked)
    model = precision or default_model(x.dtype)
    limits = AttentionBounds(asked, exact, Units.from_precision(named_precision(model, x.dtype)))
    declared = empty_rows(asked, exact.empty, conventions)
    some = exact.empty.any()
    out = np.where(exact.empty[..., None], _of_empty_rows(asked, exact, declared), exact.out) if some else exact.out
    unit = float(np.log(2)) if conventions.lse_base == "2" else 1.0
    return Expected(out, exact.weights, exact.lse / unit, limits, exact, asked, declared, model, unit)


@dataclass(frozen=True, eq=False)
class ExpectedGradient:
    """The right gradients and their bounds, both by the name of the argument.

    `in_range` is whether every format in use holds every step of a backward pass.
    """

    gradients: dict[str, np.ndarray]
    bounds: dict[str, np.ndarray]
    in_range: bool
    exact: Gradients


def expect_gradient(x: Inputs, dout: np.ndarray, conventions: Conventions, precision: str | None) -> ExpectedGradient:
    """The right gradients for the output gradient `dout` under these conventions, in rows that see a key."""
    asked, model = x.under(conventions), named_precision(precision or default_model(x.dtype), x.dtype)
    exact = gradients(asked, dout)
    return ExpectedGradient(exact.named(), gradient_bounds(asked, exact, model), in_range(asked, exact, model), exact)


def empty_rows(x: Inputs, empty: np.ndarray, conventions: Conventions) -> np.ndarray:
    """Str [B, Hq, Lq]: the declaration for each row of `empty`, by the forms that hide its keys; "" elsewhere.

    A row of several forms has their declaration `together`, else the one that they share, else "unspecified". A mean of no
    keys is unspecified too.
    """
    if not empty.any():
        return np.full(empty.shape, "", "U11")
    declared = np.where(empty, _alone(conventions, "no_keys", x.dtype), "").astype("U11")
    together = conventions.empty_rows_of("together", x.dtype, absent="")
    met = np.zeros(x.score_shape[:3], bool)
    for form, hides in _hiding(x).items():
        here, alone = empty & hides, conventions.empty_rows_of(form, x.dtype)
        differs = np.where(declared == alone, declared, "unspecified")
        declared = np.where(here, np.where(met, together or differs, alone), declared)
        met |= here
    behind = conventions.behind_queries(x.dtype)
    return np.where(empty & _behind(x), behind, declared) if behind else declared


def _behind(x: Inputs) -> np.ndarray:
    """Bool, broadcastable to [B, Hq, Lq]: rows behind their query length."""
    lengths = np.array(x.q.shape[2]) if x.query_lengths is None else x.query_lengths[:, None, None]
    return np.asarray(np.arange(x.q.shape[2]) >= lengths)


def _alone(conventions: Conventions, form: str, dtype: str) -> str:
    """The declaration of one form, where there is no key to take a mean of."""
    value = conventions.empty_rows_of(form, dtype)
    return "unspecified" if value == "uniform" else value


def _hiding(x: Inputs) -> dict[str, np.ndarray]:
    """Form that is given -> bool, broadcastable to [B, Hq, Lq]: rows in which it hides a key."""
    visible = {"mask": x.mask, "bias": None if x.bias is None else x.bias != -np.inf}
    visible |= {"causal": _dense(x, x.positional()), "lengths": _dense(x, x.lengths())}
    return {form: np.asarray(np.broadcast_to(~seen, x.score_shape).any(-1)) for form, seen in visible.items() if seen is not None}


def _dense(x: Inputs, rules: list[masks.Mask]) -> np.ndarray | None:
    return (
        np.logical_and.reduce([np.broadcast_to(rule.dense(*x.score_shape), x.score_shape) for rule in rules]) if rules else None
    )


def _of_empty_rows(x: Inputs, exact: Reference, declared: np.ndarray) -> np.ndarray:
    """The answer of rows without visible keys, [B, Hq, Lq, Dv]; 0 where it is not declared."""
    values = np.repeat(x.v, x.group, axis=1).astype(exact.out.dtype)
    mean = values.mean(2, keepdims=True) if x.v.shape[2] else np.zeros_like(exact.out[:, :, :1])
    return np.where(declared[..., None] == "uniform", mean, np.where(declared[..., None] == "nan", np.nan, 0.0))

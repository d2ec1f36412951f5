"""The multi-head layer spec as the harness sees it: from a problem to a call, and to the expected answer.

    multi_head(query, key, value, w_q, w_k, w_v, w_o, b_q, b_k, b_v, b_o, *, heads, mask=None)

query [B, Lq, d], key and value [B, Lk, d], weights [d, d], biases [d]; a projection is x @ w + b, and head h works on
columns h*d/heads to (h+1)*d/heads. `mask`: bool or 0/1, broadcastable to [B, heads, Lq, Lk], False or 0 = do not attend.
The scale is 1/sqrt(d/heads). The output is [B, Lq, d] in the query's dtype. A head that sees no key gives zeros, so that a
row that sees no key gives b_o. `return_weights`, where the signature names it, adds the weights [B, heads, Lq, Lk].
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from attention_specs.contract import Conventions
from attention_specs.multi_head.bounds import LayerBounds
from attention_specs.multi_head.inputs import ARRAYS, LayerInputs, realise
from attention_specs.multi_head.oracle import LayerReference, layer, leave, project, split
from attention_specs.multi_head.problem import LayerProblem
from attention_specs.multi_head.ranges import beyond
from attention_specs.precision import Units, default_model, named_precision
from attention_specs.spec import Call, Unsupported

__all__ = [
    "FUNCTION",
    "NAME",
    "Call",
    "Expected",
    "Problem",
    "Unsupported",
    "beyond",
    "call",
    "expect",
    "lower",
    "realise",
    "restrict",
]

NAME = "multi-head"
FUNCTION = "multi_head"
Problem = LayerProblem


@dataclass(frozen=True, eq=False)
class Expected:
    """The right answer under the declared conventions, and its bounds."""

    out: np.ndarray
    weights: np.ndarray
    lse: np.ndarray
    bounds: LayerBounds
    exact: LayerReference
    asked: LayerInputs
    empty_rows: str
    model: str
    """The precision model of these bounds."""

    def bounds_for(self, u: Units) -> LayerBounds:
        """The bounds for other costs of rounding."""
        return LayerBounds(self.asked, self.exact, u, self.empty_rows == "uniform")


def restrict(problem: LayerProblem, options: Collection[str]) -> LayerProblem:
    """The problem without the options that the implementation can be asked in no form."""
    return problem if "mask" in options else replace(problem, mask=None)


def lower(x: LayerInputs, options: Collection[str]) -> LayerInputs:
    """The same question, since no other option can stand for a mask. Raises Unsupported."""
    if x.mask is not None and "mask" not in options:
        raise Unsupported("mask not in its signature")
    return x


def call(x: LayerInputs) -> Call:
    """The arguments of the function."""
    masking = {} if x.mask is None else {"mask": x.mask}
    return Call({name: getattr(x, name) for name in ARRAYS}, {"heads": x.heads, **masking})


def expect(x: LayerInputs, conventions: Conventions, precision: str | None) -> Expected:
    """The right answer under these conventions, and the bounds of the named precision model (default: by dtype)."""
    exact, empty_rows = layer(x), conventions.empty_rows_of("mask" if x.key.shape[1] else "no_keys", x.dtype)
    model = precision or default_model(x.dtype)
    limits = LayerBounds(x, exact, Units.from_precision(named_precision(model, x.dtype)), empty_rows == "uniform")
    heads_out = np.where(exact.attention.empty[..., None], _empty_rows(x, exact, empty_rows), exact.attention.out)
    lse = exact.attention.lse / np.log(2) if conventions.lse_base == "2" else exact.attention.lse
    return Expected(leave(x, heads_out), exact.attention.weights, lse, limits, exact, x, empty_rows, model)


def _empty_rows(x: LayerInputs, exact: LayerReference, convention: str) -> np.ndarray | float:
    """The answer of a head in rows without visible keys, before the output projection."""
    if convention != "uniform" or not x.value.shape[1]:
        return np.nan if convention == "nan" else 0.0
    work = exact.out.dtype
    return np.asarray(split(project(*(a.astype(work) for a in (x.value, x.w_v, x.b_v))), x.heads).mean(2, keepdims=True))

"""The arrays of one call of the layer, and how a case becomes them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from attention_specs.case import Case
from attention_specs.contract import Conventions, Description
from attention_specs.formats import numpy_dtype
from attention_specs.layouts import LAYOUTS
from attention_specs.multi_head.problem import LayerProblem
from attention_specs.multi_head.recipes import LAYER_RECIPES
from attention_specs.multi_head.rotary import Rotary
from attention_specs.stopwatch import timed

ARRAYS = ("query", "key", "value", "w_q", "w_k", "w_v", "w_o", "b_q", "b_k", "b_v", "b_o")
"""Positional arguments of the layer, in order."""
OF_KEYS = ("w_k", "w_v", "b_k", "b_v")
"""Weights and biases of keys and values."""


@dataclass(frozen=True, eq=False)
class LayerInputs:
    """One call: query [B, Lq, d], key and value [B, Lk, d], weights [d, d], biases [d]; a projection is x @ w + b.

    Head h works on columns h*d/heads to (h+1)*d/heads of the projections. `mask` is broadcastable to [B, heads, Lq, Lk];
    False or 0 means "do not attend".
    """

    query: np.ndarray
    key: np.ndarray
    value: np.ndarray
    w_q: np.ndarray
    w_k: np.ndarray
    w_v: np.ndarray
    w_o: np.ndarray
    b_q: np.ndarray
    b_k: np.ndarray
    b_v: np.ndarray
    b_o: np.ndarray
    heads: int
    mask: np.ndarray | None = None
    key_heads: int | None = None
    """Heads of keys and values that differ; None for all of them. Their columns say so themselves, this is for the reader."""
    rotary: Rotary | None = None
    """The rotation of projected queries and keys by their positions, as declared."""

    def replace(self, **changes: Any) -> LayerInputs:
        """The same call with other arrays or options."""
        return replace(self, **changes)

    def under(self, conventions: Conventions) -> LayerInputs:
        """The same call: no option of a layer has an alignment."""
        return self

    def as_declared(self, description: Description) -> LayerInputs:
        """The call as an implementation of this description is to understand it: turned by positions, or not."""
        return self.replace(rotary=Rotary.declared(description.rotary))

    @property
    def score_shape(self) -> tuple[int, int, int, int]:
        """[batch, heads, query length, key length]."""
        return self.query.shape[0], self.heads, self.query.shape[1], self.key.shape[1]

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """[batch, query length, d_model]."""
        return self.query.shape[0], self.query.shape[1], self.query.shape[2]

    @property
    def dtype(self) -> str:
        """Name of the dtype of the query, and so of the output."""
        return self.query.dtype.name

    @property
    def self_attention(self) -> bool:
        """Whether key and value are the query's array."""
        return self.key is self.query and self.value is self.query

    def with_explicit_mask(self) -> LayerInputs:
        """The same call: a layer has no other option that hides keys."""
        return self

    def visible(self) -> np.ndarray:
        """Bool [B, heads, Lq, Lk]: where the mask allows attention."""
        mask = np.ones((), bool) if self.mask is None else self.mask.astype(bool)
        return np.broadcast_to(mask, self.score_shape)


@timed("inputs")
def realise(case: Case) -> LayerInputs:
    """The arrays of a case, rounded to its dtype and laid out in memory as it says. Same case, same bits."""
    p, dtype = case.problem, numpy_dtype(case.problem.dtype)
    assert isinstance(p, LayerProblem)
    rng = np.random.default_rng(case.seed)
    arrays = {name: array.astype(dtype) for name, array in LAYER_RECIPES[case.recipe](rng, p).items()}
    for name in p.fixed:
        arrays[name] = np.eye(p.d_model, dtype=dtype) if name.startswith("w") else np.zeros(p.d_model, dtype)
    if p.key_heads is not None:
        arrays |= {name: shared(arrays[name], p.heads, p.key_heads) for name in OF_KEYS}
    if p.self_attention:  # the value: recipes that shape one of the three shape this one
        arrays["query"] = arrays["value"]
    masking = {"mask": p.mask.dense(*p.score_shape)} if p.mask else {}
    laid_out: dict[str, Any] = {
        name: LAYOUTS[case.layouts.get(name, "contiguous")](array) for name, array in (arrays | masking).items()
    }
    if p.self_attention:
        laid_out |= {"key": laid_out["query"], "value": laid_out["query"]}
    return LayerInputs(**laid_out, heads=p.heads, key_heads=p.key_heads)


def shared(columns: np.ndarray, heads: int, key_heads: int) -> np.ndarray:
    """[..., d] in which each group of heads has the columns of its first head."""
    grouped = columns.reshape(*columns.shape[:-1], key_heads, heads // key_heads, columns.shape[-1] // heads)
    return np.broadcast_to(grouped[..., :1, :], grouped.shape).reshape(columns.shape)

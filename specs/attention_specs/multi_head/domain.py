"""The domain of a layer: the values of its problems and inputs that conditions speak of, and the way back to a problem.

`key_heads` are the heads of keys and values that differ.
A layer that lacks a bias is `b_q == 0`, one without an output projection `w_o == 1`, the identity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from attention_specs import masks
from attention_specs.attention.domain import Domain
from attention_specs.multi_head.inputs import LayerInputs
from attention_specs.multi_head.problem import FIXABLE, LayerProblem

FIELDS = ("d_model", "self_attention", *FIXABLE)
"""Fields that a layer has beside those of an attention: sizes, `is_causal`."""

Values = dict[str, object]


def declared(spec: str, conditions: Sequence[str]) -> Domain:
    """The domain of these conditions, on the fields that the spec has. Raises ValueError."""
    return Domain.of(conditions, FIELDS if spec == LayerProblem.spec else ())


def values_of_problem(p: LayerProblem) -> Values:
    """Field -> its value."""
    fixed = {name: _neutral(name) if name in p.fixed else None for name in FIXABLE}
    flags = {"self_attention": p.self_attention, "is_causal": p.mask == masks.causal()}
    key_heads = p.heads if p.key_heads is None else p.key_heads
    return _sizes((p.batch, p.heads, p.query_length, p.key_length), p.d_model, key_heads) | flags | fixed


def values_of(x: LayerInputs) -> Values:
    """Field -> its value in these inputs; `is_causal` where every query sees the keys up to its own place and no others."""
    neutral = {"w": np.eye(x.query.shape[2]), "b": np.zeros(x.query.shape[2])}
    fixed = {name: _neutral(name) if np.array_equal(getattr(x, name), neutral[name[0]]) else -1 for name in FIXABLE}
    causal = np.array_equal(x.visible(), np.broadcast_to(np.tri(*x.score_shape[2:], dtype=bool), x.score_shape))
    key_heads = x.heads if x.key_heads is None else x.key_heads
    return _sizes(x.score_shape, x.query.shape[2], key_heads) | {"self_attention": x.self_attention, "is_causal": causal} | fixed


def _neutral(name: str) -> int:
    return 1 if name.startswith("w") else 0


def _sizes(score_shape: tuple[int, int, int, int], d_model: int, key_heads: int) -> Values:
    batch, heads, queries, keys = score_shape
    of_heads = {"query_heads": heads, "key_heads": key_heads} | dict.fromkeys(("head_dim", "value_dim"), d_model // heads)
    return {"batch": batch, "query_length": queries, "key_length": keys, "d_model": d_model, **of_heads}


def moved(p: LayerProblem, changes: Mapping[str, object]) -> LayerProblem:
    """The problem with these fields. ValueError where it is none."""
    wanted = {**values_of_problem(p), **changes}
    heads, dims = wanted["query_heads"], wanted["head_dim"]
    assert isinstance(heads, int)
    assert isinstance(dims, int)
    lengths = {name: wanted[name] for name in ("batch", "query_length", "key_length")}
    if wanted["self_attention"]:
        lengths["key_length"] = lengths["query_length"]
    fixed = tuple(name for name in FIXABLE if wanted[name] is not None)
    mask = {"mask": masks.causal()} if changes.get("is_causal") else {}
    key_heads = wanted["key_heads"] if "key_heads" in changes else p.key_heads
    own = {
        "heads": heads,
        "d_model": changes.get("d_model", heads * dims),
        "key_heads": None if key_heads == heads else key_heads,
    }
    return p.replace(**lengths, **mask, **own, self_attention=wanted["self_attention"], fixed=fixed)

"""Right attentions, each computed another way: an audit that accuses one of them fails."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import numpy as np

from attention_harness.audit.faults import quiet
from attention_harness.audit.faults._backward import backward, differentiable
from attention_harness.audit.faults._layer_parts import layer
from attention_harness.audit.faults._narrow_parts import (
    SIXTEEN_BITS,
    matrix_unit,
    narrow,
    narrow_layer,
    powers_and_sum,
    stored,
    summed,
)
from attention_harness.audit.faults._parts import (  # fmt: skip
    State,
    attention,
    finite,
    in_tiles,
    seen_further,
    softmax,
    staged,
    start,
    tiled,
    value_product,
    weighed,
)
from attention_harness.audit.faults.merging import weighed as weighed_parts
from attention_harness.audit.form_controls import OF_FORMS
from attention_harness.audit.stored_controls import STORED_CONTROLS
from attention_implementations.numpy._common import Result
from attention_implementations.numpy.merge import merge
from attention_implementations.numpy.multi_head import multi_head
from attention_implementations.numpy.online import online
from attention_implementations.numpy.tensor_core import attention as tensor_core
from attention_specs.contract import CACHE, OPTIONS, declares

Array = np.ndarray
Function = Callable[..., object]


def eager(q: Array, k: Array, v: Array, **o: object) -> Result:
    """All at once, with nothing declared."""
    return attention(q, k, v, **o)


def merged(a: State, b: State) -> State:
    """Two sets of keys as one: what either has summed shrinks to the larger maximum (flash decoding)."""
    top = np.maximum(a[0], b[0])
    shares = [np.exp(state[0] - finite(top)) for state in (a, b)]
    total = sum(share * state[1] for share, state in zip(shares, (a, b), strict=True))
    weighted = sum(share[..., None] * state[2] for share, state in zip(shares, (a, b), strict=True))
    return top, total, weighted


def _each_by_itself(first: State, *blocks: tuple[Array, Array]) -> State:
    """Every block of keys starts anew, and the states are merged in the end."""
    states = [seen_further(start(None, first[0].shape, v.shape[-1], s.dtype), s, v) for s, v in blocks]
    return reduce(merged, states, first)


def _from_the_end(first: State, *blocks: tuple[Array, Array]) -> State:
    """The last block of keys is visited first."""
    return reduce(lambda state, block: seen_further(state, *block), reversed(blocks), first)


def weights_in_sixteen_bits(q: Array, k: Array, v: Array, **o: Any) -> Result:
    """Weights stored in the dtype of the inputs, products summed in float32, as flash-attention has it."""
    return staged(q, k, v, product=lambda w, values: value_product(stored(q.dtype, w), values), **o)


def scores_in_sixteen_bits(q: Array, k: Array, v: Array, **o: Any) -> Result:
    """Scaled scores stored in the dtype of the inputs, everything else in float32."""
    return staged(q, k, v, raw=partial(stored, q.dtype), **o)


def products_in_sixteen_bits(q: Array, k: Array, v: Array, **o: Any) -> Result:
    """Products stored in the dtype of the inputs before they are scaled: beyond 65504 float16 has infinity."""
    return staged(q, k, v, multiply=lambda a, b: stored(q.dtype, a @ b), **o)


def divided_last(q: Array, k: Array, v: Array, **o: object) -> Result:
    """In 16 bits throughout, and the sums are of powers, divided in the end."""
    kept: dict[str, Array] = {}

    def powers(s: Array, sink: Array | float) -> tuple[Array, Array]:
        sums, kept["total"], top = powers_and_sum(q.dtype, s, sink)
        return sums, np.log(kept["total"]) + top

    def product(sums: Array, values: Array) -> Array:
        total = kept["total"][..., None]
        return summed(q.dtype, sums, weighed(sums, values)) / np.where(total == 0, 1, total)

    return narrow(q, k, v, normalise=powers, product=product, **o)


def _in_sixteen_bits(function: Function, precision: str, *without: str) -> Function:
    """The function for 16 bits alone, with every option but these, judged by that precision."""
    names = tuple(name for name in OPTIONS if name not in (*CACHE, *without))
    return declares(dtypes=SIXTEEN_BITS, precision=precision)(quiet(function, only=names))


def backwards(q: Array, k: Array, v: Array, **o: object) -> Result:
    """Blocks of 16 keys, the last first."""
    return in_tiles(q, k, v, lambda parts: _from_the_end(*parts), 16, **o)


def in_splits(size: int) -> Function:
    """Splits of so many keys, each by itself, merged in the end."""

    def split(q: Array, k: Array, v: Array, **o: object) -> Result:
        return in_tiles(q, k, v, lambda parts: _each_by_itself(*parts), size, **o)

    return split


def whole_blocks(q: Array, k: Array, v: Array, **o: object) -> Result:
    """Blocks of four keys, and a refusal of a tail."""
    if k.shape[2] % 4:
        raise NotImplementedError(f"key_length={k.shape[2]}, but should be a multiple of 4")
    return attention(q, k, v, **o)


def _weights_by_lse(scores: Array, sink: Array | float) -> tuple[Array, Array]:
    """exp(score - lse), of which no row is divided by its sum: as backward passes have their weights again."""
    _, lse = softmax(scores, sink)
    return np.exp(scores - finite(lse)[..., None]), lse


def weights_by_lse(q: Array, k: Array, v: Array, **o: Any) -> Result:
    """Weights from the log-sum-exp. It takes no bias: where that makes all scores -1e5, lse has no digits left (precision.md, 3)."""
    return staged(q, k, v, normalise=_weights_by_lse, **o)


def _without_bias(function: Function) -> Function:
    function.options = tuple(name for name in function.options if name != "bias")  # type: ignore[attr-defined]
    return function


def merged_by_powers(a: Array, s: Array, b: Array, t: Array) -> tuple[Array, Array]:
    """Both parts shrink to the larger log-sum-exp, as those of flash decoding."""
    return weighed_parts(a, s, b, t, finite(np.maximum(s, t)))


def merged_by_distance(a: Array, s: Array, b: Array, t: Array) -> tuple[Array, Array]:
    """The share of the second part is the logistic function of its distance from the first, as in ring attention."""
    share = np.where(np.isneginf(t), 0, 1 / (1 + np.exp(np.where(np.isneginf(t), 0, s - t))))[..., None]
    first, second = (part.astype(s.dtype) for part in (a, b))
    lse = np.logaddexp(s, t)
    return np.where(np.isneginf(lse)[..., None], 0, first - share * (first - second)).astype(a.dtype), lse


def merged_by_lse(a: Array, s: Array, b: Array, t: Array) -> tuple[Array, Array]:
    """Each part is weighed by exp(its lse - that of both)."""
    lse = np.logaddexp(s, t)
    p, q = (np.exp(one - finite(lse))[..., None] for one in (s, t))
    return (p * a.astype(s.dtype) + q * b.astype(s.dtype)).astype(a.dtype), lse


def merged_in_base_two(a: Array, s: Array, b: Array, t: Array) -> tuple[Array, Array]:
    """Powers of two of binary logarithms; NaN where both parts are empty."""
    out, lse = weighed_parts(a, s, b, t, finite(np.maximum(s, t)), np.exp2, np.log2)
    return np.where(np.isneginf(lse)[..., None], np.nan, out).astype(a.dtype), lse


def merged_with_narrow_shares(a: Array, s: Array, b: Array, t: Array) -> tuple[Array, Array]:
    """Shares are stored in the dtype of the outputs."""
    top = finite(np.maximum(s, t))
    p, q = np.exp(s - top), np.exp(t - top)
    total = p + q
    shares = [stored(a.dtype, one / np.where(total == 0, 1, total))[..., None] for one in (p, q)]
    out = shares[0] * a.astype(s.dtype) + shares[1] * b.astype(s.dtype)
    return out.astype(a.dtype), np.log(total) + top


EAGER = "eager"
WITH_CACHE = "eager, with a cache"
GRADIENTS = "eager, with gradients"
LAYER = "layer"
MERGE = "merge"

UNDECLARED: dict[str, Function] = {
    EAGER: quiet(eager),
    WITH_CACHE: quiet(eager, cache=True),
    GRADIENTS: quiet(differentiable(backward)),
    LAYER: quiet(layer, spec="multi-head"),
    MERGE: quiet(merged_by_powers, spec="merge"),
    "merge by the logistic function": quiet(merged_by_distance, spec="merge"),
    "merge by the lse of both": quiet(merged_by_lse, spec="merge"),
    "online, blocks of 16": quiet(tiled),
    "online, the last block first": quiet(backwards),
    "splits of 7, merged": quiet(in_splits(7)),
    "splits of 32, merged": quiet(in_splits(32)),
    "weights in 16 bits": quiet(weights_in_sixteen_bits),
    "scores in 16 bits": quiet(scores_in_sixteen_bits),
    "weights by lse": _without_bias(quiet(weights_by_lse)),
}
"""Judged as undeclared functions are, like the faults."""

DECLARED: dict[str, Function] = {
    "declared eager": attention,
    "declared layer": multi_head,
    "declared merge": merge,
    "declared merge of base 2, NaN of two empty parts": declares(
        conventions={"lse_base": "2", "empty_rows": "nan", "deterministic": False}
    )(quiet(merged_in_base_two, spec="merge")),
    "declared merge in 16 bits": declares(dtypes=SIXTEEN_BITS, precision="weights-rounded")(
        quiet(merged_with_narrow_shares, spec="merge")
    ),
    **{f"declared online, blocks of {n} keys": online(64, n) for n in (3, 1, 16, 64)},
    "declared matrix unit": tensor_core,
    "declared domain": declares(domain=("key_length % 4 == 0",))(quiet(whole_blocks)),
    "declared products in 16 bits": _in_sixteen_bits(products_in_sixteen_bits, "products-rounded"),
    "declared sums in 16 bits": _in_sixteen_bits(narrow, "products-rounded+sums-rounded"),
    "declared sums in 16 bits, divided last": _in_sixteen_bits(divided_last, "products-rounded+sums-rounded", "return_weights"),
    "declared sums of 14 bits": _in_sixteen_bits(matrix_unit, "weights-rounded+sums-of-14-bits"),
    "declared layer with sums in 16 bits": declares(dtypes=SIXTEEN_BITS, precision="products-rounded+sums-rounded")(
        quiet(narrow_layer, spec="multi-head", only=("mask",))
    ),
}
"""Judged by their declarations: more exact, and safe where NaN is masked. Two processes get them in turn: single keys take longest."""

CONTROLS = UNDECLARED | DECLARED | STORED_CONTROLS | OF_FORMS

BASES = (EAGER, WITH_CACHE, "online, blocks of 16", GRADIENTS, LAYER, MERGE)
"""The functions of which most faults are variations."""

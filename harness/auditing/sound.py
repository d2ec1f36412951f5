"""Attentions that are right, each computed another way: an audit that accuses one of them fails."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import numpy as np

from harness.faults import quiet
from harness.faults._backward import backward, differentiable
from harness.faults._layer_parts import layer
from harness.faults._parts import State, attention, finite, in_tiles, seen_further, softmax, staged, start, tiled, value_product
from implementations.numpy_multi_head import multi_head
from implementations.numpy_online import online
from implementations.numpy_tensor_core import attention as tensor_core

Array = np.ndarray
Function = Callable[..., Any]


def eager(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """All at once, with nothing declared."""
    return attention(q, k, v, **o)


def merged(a: State, b: State) -> State:
    """Two sets of keys as one: what either has summed shrinks to the larger maximum (flash decoding)."""
    top = np.maximum(a[0], b[0])
    shares = [np.exp(state[0] - finite(top)) for state in (a, b)]
    total = sum(share * state[1] for share, state in zip(shares, (a, b), strict=True))
    weighted = sum(share[..., None] * state[2] for share, state in zip(shares, (a, b), strict=True))
    return top, total, weighted


def _each_by_itself(parts: list[Any]) -> State:
    """Every block of keys starts anew, and the states are merged in the end."""
    first, *blocks = parts
    states = [seen_further(start(None, first[0].shape, v.shape[-1], s.dtype), s, v) for s, v in blocks]
    return reduce(merged, states, first)


def _from_the_end(parts: list[Any]) -> State:
    """The last block of keys is visited first."""
    first, *blocks = parts
    return reduce(lambda state, block: seen_further(state, *block), reversed(blocks), first)


def _in_the_dtype_of(q: Array, a: Array) -> Array:
    return a.astype(q.dtype).astype(a.dtype)


def weights_in_sixteen_bits(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Weights stored in the dtype of the inputs, products summed in float32, as flash-attention has it."""
    return staged(q, k, v, product=lambda w, values: value_product(_in_the_dtype_of(q, w), values), **o)


def scores_in_sixteen_bits(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Scaled scores stored in the dtype of the inputs, everything else in float32."""
    return staged(q, k, v, raw=partial(_in_the_dtype_of, q), **o)


def backwards(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Blocks of 16 keys, the last first."""
    return in_tiles(q, k, v, _from_the_end, 16, **o)


def in_splits(size: int) -> Function:
    """Splits of so many keys, each by itself, merged in the end."""

    def split(q: Array, k: Array, v: Array, **o: Any) -> Any:
        return in_tiles(q, k, v, _each_by_itself, size, **o)

    return split


def _weights_by_lse(scores: Array, sink: Any) -> tuple[Array, Array]:
    """exp(score - lse), of which no row is divided by its sum: as backward passes have their weights again."""
    _, lse = softmax(scores, sink)
    return np.exp(scores - finite(lse)[..., None]), lse


def weights_by_lse(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Weights from the log-sum-exp. It takes no bias: where that makes all scores -1e5, lse has no digits left (precision.md, 3)."""
    return staged(q, k, v, normalise=_weights_by_lse, **o)


def _without_bias(function: Function) -> Function:
    function.options = tuple(name for name in function.options if name != "bias")  # type: ignore[attr-defined]
    return function


EAGER = "eager"
WITH_CACHE = "eager, with a cache"
GRADIENTS = "eager, with gradients"
LAYER = "layer"

UNDECLARED: dict[str, Function] = {
    EAGER: quiet(eager),
    WITH_CACHE: quiet(eager, cache=True),
    GRADIENTS: quiet(differentiable(backward)),
    LAYER: quiet(layer, spec="multi-head"),
    "online, blocks of 16": quiet(tiled),
    "online, the last block first": quiet(backwards),
    "splits of 7, merged": quiet(in_splits(7)),
    "splits of 32, merged": quiet(in_splits(32)),
    "weights in 16 bits": quiet(weights_in_sixteen_bits),
    "scores in 16 bits": quiet(scores_in_sixteen_bits),
    "weights by lse": _without_bias(quiet(weights_by_lse)),
}
"""Held to what an undeclared function is held to, as the faults are."""

DECLARED: dict[str, Function] = {
    "declared eager": attention,
    "declared layer": multi_head,
    **{f"declared online, blocks of {n} keys": online(64, n) for n in (3, 1, 16, 64)},
    "declared matrix unit": tensor_core,
}
"""Held to what they declare: more exact, and safe where NaN is masked. Two processes get them in turn: single keys take longest."""

SOUND = UNDECLARED | DECLARED

BASES = (EAGER, WITH_CACHE, "online, blocks of 16", GRADIENTS, LAYER)
"""What most faults are variations of."""

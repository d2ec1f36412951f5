"""Parts of faults: a right attention whose steps can be exchanged one by one.

Scores are [B, Hq, Lq, Lk], -inf where hidden; v is [B, Hq, Lk, Dv]. `staged` with no step exchanged is the definition.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from attention_harness.audit.faults._online_parts import State, finish, seen_further, start, tiles
from attention_harness.audit.faults._remembered import remembered
from attention_implementations.numpy._common import Result, answer, finite, per_query_head, visible, working_dtype
from attention_implementations.numpy.eager import attention as eager
from attention_implementations.numpy.eager import softmax
from attention_implementations.numpy.online import online

__all__ = [
    "State", "attention", "beside", "broadcast", "empty_rows", "finish", "finite", "given", "hide", "highest", "identity", "in_tiles",
    "invisible", "less", "lse_of", "online", "partial", "rounded", "seen_further", "softmax", "staged", "start", "tiled", "tiles",
    "value_product", "weighed",
]  # fmt: skip

attention = remembered(eager)

Step = Callable[[np.ndarray], np.ndarray]


def identity(a: np.ndarray) -> np.ndarray:
    """Nothing is done."""
    return a


rules_of = partial(visible, 0)
"""Where causality, window and lengths allow attention, without a cache."""


def value_product(weights: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Weights times values; what nobody sees takes no part, NaN included."""
    return weights @ weighed(weights, v)


def weighed(weights: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The values, 0 at keys that have no weight."""
    return np.where((weights != 0).any(-2)[..., None], v, 0)


def less(top: Step, s: np.ndarray, sink: Any) -> tuple[np.ndarray, np.ndarray]:
    """Weights and lse of a softmax from which top(s), [B, Hq, Lq, 1], is taken off: the row's maximum, or what stands for it."""
    shift = finite(top(s))
    powers, sinks = np.exp(s - shift), np.exp(sink - shift[..., 0])
    total = powers.sum(-1) + sinks
    return powers / np.where(total == 0, 1, total)[..., None], np.log(total) + shift[..., 0]


def highest(s: np.ndarray) -> np.ndarray:
    """The maximum of each row, [B, Hq, Lq, 1]; -inf without keys."""
    return np.asarray(s.max(-1, keepdims=True, initial=-np.inf))


def staged(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, *, mask: Any = None, bias: Any = None, is_causal: bool = False, scale: Any = None,
    window: Any = None, softcap: Any = None, sinks: Any = None, query_lengths: Any = None, key_lengths: Any = None,
    return_weights: bool = False, return_lse: bool = False, raw: Step = identity, cap: Callable[..., np.ndarray] | None = None,
    scores: Step = identity, normalise: Callable[..., Any] = softmax, product: Callable[..., np.ndarray] = value_product,
    seen: Step = identity, rules: Callable[..., np.ndarray] = rules_of, hidden: float = -np.inf, repeat: Any = per_query_head,
    multiply: Any = np.matmul,
) -> Result:  # fmt: skip
    """Attention as defined, with steps to exchange.

    `multiply` gets queries and turned keys, `raw` scaled scores, `cap` scores and softcap, `seen` what is visible, `rules` what
    `visible` gets, `scores` what goes into `normalise`, which gets the sink column too and gives weights and lse; `product` gets
    weights and values.
    """
    dtype = working_dtype(q.dtype)
    k, v = (repeat(a, q.shape[1], dtype) for a in (k, v))
    s = raw((max(q.shape[-1], 1) ** -0.5 if scale is None else float(scale)) * multiply(q.astype(dtype), k.swapaxes(-1, -2)))
    if softcap is not None:
        s = softcap * np.tanh(s / softcap) if cap is None else cap(s, softcap)
    open_ = rules(np.arange(q.shape[2]), np.arange(k.shape[2]), is_causal, window, query_lengths, key_lengths)
    open_ = open_ if mask is None else open_ & mask
    if bias is not None:
        s, open_ = s + bias.astype(dtype), open_ & (bias != -np.inf)
    s = scores(np.where(seen(np.broadcast_to(open_, s.shape)), s, dtype.type(hidden)).astype(dtype))
    weights, lse = normalise(s, -np.inf if sinks is None else sinks.astype(dtype)[:, None])
    out = product(weights, v).astype(q.dtype)
    return answer(out, weights.astype(q.dtype) if return_weights else None, lse if return_lse else None)


def tiled(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, *, step: Any = seen_further, block: int = 16, end: Any = finish, **o: Any
) -> Result:
    """Attention with an online softmax over key blocks, whose `step` (state, scores, v) and `end` (state) can be exchanged."""
    return in_tiles(q, k, v, lambda tiles_: _run(tiles_, step), block, end, **o)


def _run(parts: list[Any], step: Any) -> Any:
    state = parts[0]
    for scores, v in parts[1:]:
        state = step(state, scores, v)
    return state


def in_tiles(q: np.ndarray, k: np.ndarray, v: np.ndarray, run: Any, block: int, end: Any = finish, **o: Any) -> Result:
    """Attention whose sum over key blocks is done by `run`, from the list [start state, (scores, v) of each block]."""
    kept: dict[str, np.ndarray] = {}
    sinks, lse_wanted = o.get("sinks"), o.pop("return_lse", False)

    def normalise(s: np.ndarray, sink: Any) -> tuple[np.ndarray, np.ndarray]:
        kept["s"] = s
        return softmax(s, sink)

    def product(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
        s = kept["s"]
        seen = np.where(np.any(s > -np.inf, -2)[..., None], values, 0)
        blocks = [(s[..., j[0] : j[-1] + 1], seen[:, :, j[0] : j[-1] + 1]) for j in tiles(s.shape[-1], block)]
        out, kept["lse"] = end(run([start(sinks, s.shape[:3], values.shape[-1], s.dtype), *blocks]))
        return out

    result = staged(q, k, v, normalise=normalise, product=product, **o)
    extras = list(result) if isinstance(result, tuple) else [result]
    return answer(*extras, kept["lse"] if lse_wanted else None)


def beside(result: Any, change: Step) -> Any:
    """The result with its output changed, whatever stands beside it."""
    return (change(result[0]), *result[1:]) if isinstance(result, tuple) else change(result)


def given(options: dict[str, Any], *names: str) -> bool:
    """Whether all these options are given."""
    return all(options.get(name) is not None and options[name] is not False for name in names)


def broadcast(a: np.ndarray, q: np.ndarray, k: np.ndarray) -> np.ndarray:
    """A mask or bias at its full shape, [B, Hq, Lq, Lk], on memory of its own."""
    return np.broadcast_to(a, (*q.shape[:3], k.shape[2])).copy()


def lse_of(q: np.ndarray, k: np.ndarray, v: np.ndarray, **o: Any) -> np.ndarray:
    """The log-sum-exp [B, Hq, Lq] without the sinks."""
    plain = {name: value for name, value in o.items() if name not in ("sinks", "return_lse", "return_weights")}
    return attention(q, k, v, **plain, return_lse=True)[1]


def empty_rows(q: np.ndarray, k: np.ndarray, v: np.ndarray, **o: Any) -> np.ndarray:
    """Bool [B, Hq, Lq, 1]: rows that see no key."""
    return np.isneginf(lse_of(q, k, v, **o))[..., None]


def rounded(a: np.ndarray, digits: int) -> np.ndarray:
    """Rounded to so many binary digits of significand, in any range."""
    fraction, exponent = np.frexp(a.astype(np.float64))
    return np.ldexp(np.round(fraction * 2.0**digits) / 2.0**digits, exponent).astype(a.dtype)


def hide(o: dict[str, Any], seen: np.ndarray) -> dict[str, Any]:
    """The options with one more mask."""
    return o | {"mask": seen if o.get("mask") is None else o["mask"] & seen}


def invisible(q: np.ndarray, k: np.ndarray, **o: Any) -> np.ndarray:
    """Bool [B, Hq, Lq, Lk]: where mask, rules and a bias of -inf hide the key."""
    names = ("is_causal", "window", "query_lengths", "key_lengths")
    rules = {name: o.get(name) for name in names}
    seen = visible(0, np.arange(q.shape[2]), np.arange(k.shape[2]), **(rules | {"is_causal": bool(o.get("is_causal"))}))  # type: ignore[arg-type]
    seen = seen if o.get("mask") is None else seen & o["mask"]
    seen = seen if o.get("bias") is None else seen & (o["bias"] != -np.inf)
    return ~np.broadcast_to(seen, (*q.shape[:3], k.shape[2]))

"""flash-attention's criterion: no more than twice the error of eager attention in the same low precision."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TypedDict

import numpy as np

from attention_harness.audit.other_checks import check
from attention_harness.audit.other_checks._flash_grids import Setting, sample
from attention_harness.audit.other_checks._trials import Trial, copied, plain
from attention_specs.attention.inputs import Inputs
from attention_specs.formats import numpy_dtype
from attention_specs.layouts import heads_last

ROUNDS = 1
"""How often each pair of lengths is asked."""

SOURCE = "Dao-AILab/flash-attention, tests/test_flash_attn.py at 0251105 (Dao 2023, arXiv 2307.08691)"


@check("flash-attention's criterion", source=SOURCE)
def twice_the_error_of_eager(seed: int) -> Iterator[Trial]:
    """max |out - ref| <= 2 max |pt - ref|, or what the grid of that test has instead; normal inputs in float16 and bfloat16.

    `ref` is computed in float32 and rounded to the dtype, `pt` rounds every step to it. Each pair of lengths of its grids is
    asked, with everything else drawn from its lists. Arrays lie in memory as there, [batch, length, heads, dim].
    Scaled: batch and heads, from 1 to 8 batches of 4 to 12 heads, to 2 of 4, or to 1 of 2 and 1 of 1 above 2^17 and 2^19 scores.
    Other than there: causality and windows count from the first key, as our contract has it, and with new keys behind a cache,
    which a function without caches is not asked, from its end; ALiBi is an array, in the dtype of the query. Left out: gradients,
    dropout, pages, rotary embeddings, left padding, the tests that repeat a call, and more than 20000 keys.
    """
    rng = np.random.default_rng(seed)
    for setting in sample(rng, ROUNDS):
        x = inputs(setting, rng)
        low = partial(_rounded, x.q.dtype)
        wanted = plain(x)
        allowed = setting.grid.times[setting.alibi] * largest(plain(x, low) - wanted) + setting.grid.plus
        needs = ("past_k", "past_v") if setting.grid.new_keys else ()
        yield Trial(str(setting), x, partial(within, wanted, allowed), partial(laid_out, setting.packed), needs=needs)


def within(wanted: np.ndarray, allowed: float, got: np.ndarray) -> str:
    """Written so that NaN fails; shapes and dtypes are not looked at, as there."""
    error = largest(got - wanted)
    return "" if error <= allowed else f"largest error={error:.3g}, but should be at most {allowed:.3g}"


def largest(difference: np.ndarray) -> float:
    """The largest magnitude, NaN if there is one."""
    return float(np.abs(difference.astype(np.float32)).max())


def _rounded(dtype: np.dtype, a: np.ndarray) -> np.ndarray:
    return a.astype(dtype).astype(np.float32)


def inputs(s: Setting, rng: np.random.Generator) -> Inputs:
    """The call of one setting; with softcap its queries are multiplied by it, so that scores reach it."""
    (batch, heads, key_heads), dtype = s.scaled, numpy_dtype(s.dtype)
    lengths = _lengths(s, batch, rng)
    keys = lengths["past"] + s.queries if "past" in lengths else s.keys
    shapes = (batch, heads, s.queries, s.dim), (batch, key_heads, keys, s.dim), (batch, key_heads, keys, s.dim)
    q, k, v = (rng.standard_normal(shape, np.float32) for shape in shapes)
    of_queries, of_keys = s.grid.deviations
    return Inputs(
        (q * of_queries).astype(dtype) * dtype.type(s.softcap or 1), (k * of_keys).astype(dtype), (v * of_keys).astype(dtype),
        bias=alibi(s, keys, rng).astype(dtype) if s.alibi else None, is_causal=s.causal,
        window=tuple(rng.integers(0, s.keys, 2).tolist()) if s.local else None, softcap=s.softcap or None, **lengths,
    )  # fmt: skip


def alibi(s: Setting, keys: int, rng: np.random.Generator) -> np.ndarray:
    """Slopes uniform in [0, 0.3), by the distance from the diagonal that ends in the last key; causal, from the last key."""
    slopes = 0.3 * rng.random((*s.scaled[:2], 1, 1))
    position = keys - 1 if s.causal else np.arange(s.queries)[:, None] + keys - s.queries
    return -slopes * np.abs(position - np.arange(keys))


class Lengths(TypedDict, total=False):
    """The options of a call that say how many queries and keys count."""

    past: int
    query_lengths: np.ndarray
    key_lengths: np.ndarray


def _lengths(s: Setting, batch: int, rng: np.random.Generator) -> Lengths:
    if s.grid.new_keys:
        return Lengths(past=int(rng.integers(0, s.keys - s.queries + 1)))
    if s.filled == "cache":
        return Lengths(key_lengths=rng.integers(1, s.keys + 1, batch))
    if s.filled != "padded":
        return Lengths()
    queries, keys = (rng.integers(max(1, n - 20), n + 1, batch) for n in (s.queries, s.keys))
    return Lengths(query_lengths=queries, key_lengths=keys)


def laid_out(packed: int, x: Inputs) -> Inputs:
    """Fresh arrays, [batch, length, heads, dim] in memory, the last `packed` of q, k and v in one."""
    x = copied(x)
    apart = {name: heads_last(getattr(x, name)) for name in ("q", "k", "v")[: 3 - packed]}
    return x.replace(**apart, **(_together(x, ("q", "k", "v")[3 - packed :]) if packed else {}))


def _together(x: Inputs, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    memory = np.ascontiguousarray(np.stack([getattr(x, name) for name in names]).transpose(1, 3, 0, 2, 4))
    return {name: memory[:, :, place].swapaxes(1, 2) for place, name in enumerate(names)}

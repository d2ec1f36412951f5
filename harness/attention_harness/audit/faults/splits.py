"""The running maximum, its rescaling, and the merging of splits (C16)."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import State, attention, finish, finite, in_tiles, seen_further, staged, tiled

Array = np.ndarray


def _plain(state: State, s: Array, v: Array, top: Array, decay: Array) -> State:
    """One step with the given maximum and decay."""
    _, total, weighted = state
    powers = np.exp(s - finite(top)[..., None])
    return (
        top,
        decay * total + powers.sum(-1),
        decay[..., None] * weighted + powers @ np.where(np.any(s > -np.inf, -2)[..., None], v, 0),
    )


@fault("C16", "pytorch/pytorch#127055")
def a_hidden_first_block_gives_nan(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """exp(-inf - -inf) where a row sees nothing yet, though it will."""

    def step(state: State, s: Array, values: Array) -> State:
        top = np.maximum(state[0], s.max(-1))
        late = np.isneginf(top) & (s.shape[-1] == 16)
        return _plain(state, s, values, top, np.where(late, np.nan, np.exp(state[0] - finite(top))).astype(s.dtype))

    return _right_in_empty_rows(q, k, v, step, **o)


def _right_in_empty_rows(q: Array, k: Array, v: Array, step: Any, **o: Any) -> Any:
    """Rows that see nothing at all are right, so that only others show the fault."""

    def end(state: State) -> tuple[Array, Array]:
        out, lse = finish(state)
        return np.where(np.isneginf(state[0])[..., None], 0, out), lse

    return tiled(q, k, v, step=step, end=end, **o)


@fault("C16")
def the_output_is_not_rescaled(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """When the maximum grows, the sum shrinks and the weighted values do not."""

    def step(state: State, s: Array, values: Array) -> State:
        top, total, weighted = seen_further(state, s, values)
        decay = np.exp(state[0] - finite(top))[..., None]
        return top, total, weighted + (1 - decay) * state[2]

    return tiled(q, k, v, step=step, block=32, **o)


@fault("C16")
def the_sum_is_not_rescaled(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """When the maximum grows, the weighted values shrink and the sum does not."""

    def step(state: State, s: Array, values: Array) -> State:
        top, total, weighted = seen_further(state, s, values)
        return top, total + (1 - np.exp(state[0] - finite(top))) * state[1], weighted

    return tiled(q, k, v, step=step, block=32, **o)


@fault("C16")
def the_last_block_is_not_rescaled(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The partial block at the end is added by other code, which forgets the new maximum."""

    def step(state: State, s: Array, values: Array) -> State:
        top = np.maximum(state[0], s.max(-1))
        lost = s.shape[-1] < 32 and bool((state[1] > 0).any())
        return _plain(state, s, values, top, np.exp(state[0] - finite(top)) if not lost else np.ones_like(top))

    return tiled(q, k, v, step=step, block=32, **o)


@fault("C16", "Dao-AILab/flash-attention#2717")
def small_growth_of_the_maximum_is_ignored(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The maximum is left where it is while it grows by less than 8, and weights saturate at 448."""

    def step(state: State, s: Array, values: Array) -> State:
        new = np.maximum(state[0], s.max(-1))
        top = np.where(new > state[0] + 8, new, state[0])
        top = np.where(np.isneginf(state[0]), new, top)
        capped = np.minimum(s, finite(top)[..., None] + np.log(448)).astype(s.dtype)
        return _plain(state, capped, values, top, np.exp(state[0] - finite(top)))

    return tiled(q, k, v, step=step, **o)


@fault("C16")
def the_maximum_is_taken_from_the_first_block(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Later blocks do not move it, so that a late peak overflows."""

    def step(state: State, s: Array, values: Array) -> State:
        top = np.where(np.isneginf(state[0]), s.max(-1), state[0])
        return _plain(state, s, values, top, np.exp(state[0] - finite(top)))

    return tiled(q, k, v, step=step, **o)


@fault("C16")
def blocks_far_below_the_maximum_are_skipped(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A block whose best score lies 8 below the maximum so far adds nothing."""

    def step(state: State, s: Array, values: Array) -> State:
        far = (s.max(-1, keepdims=True) < state[0][..., None] - 8) & np.isfinite(state[0])[..., None]
        return seen_further(
            state, np.where(far, -np.inf, s).astype(s.dtype), np.where(np.all(np.isneginf(s), -2)[..., None], 0, values)
        )

    return tiled(q, k, v, step=step, **o)


@fault("C16")
def the_maximum_comes_too_late_for_the_first_row(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Row 0 of a tile keeps the decay of the block before: wrong where the maximum grows twice."""

    def step(state: State, s: Array, values: Array) -> State:
        top = np.maximum(state[0], s.max(-1))
        decay = np.exp(state[0] - finite(top))
        decay[:, :, 0] = np.where(state[1][:, :, 0] > 0, np.maximum(decay[:, :, 0], 2.0**-10), 0)
        return _plain(state, s, values, top, decay.astype(s.dtype))

    return tiled(q, k, v, step=step, **o)


def _merged(parts: list[Any], weigh: Any) -> State:
    """Splits that are finished by themselves and joined by their log-sum-exp, as `weigh` says."""
    state, splits = parts[0], parts[1:]
    done = [finish(seen_further((np.full_like(state[0], -np.inf), 0 * state[1], 0 * state[2]), s, v)) for s, v in splits]
    outs, lses = [out for out, _ in done], [lse for _, lse in done]
    if state[1].any():
        outs, lses = [state[2], *outs], [np.where(state[1] > 0, state[0], -np.inf), *lses]
    if not outs:
        return state
    top, weights = weigh(np.stack(lses))
    return finite(top), weights.sum(0), (weights[..., None] * np.stack(outs)).sum(0)


def _by_lse(lses: Array) -> tuple[Array, Array]:
    top = lses.max(0)
    return top, np.exp(lses - finite(top))


@fault("C16", "Dao-AILab/flash-attention@26d7d92f")
def an_empty_split_gives_nan(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A split in which a row sees nothing is weighted by exp(-inf - -inf) of its own maximum."""

    def weigh(lses: Array) -> tuple[Array, Array]:
        top, weights = _by_lse(lses)
        return top, np.where(np.isneginf(lses) & np.isfinite(top), np.nan, weights).astype(weights.dtype)

    return in_tiles(q, k, v, partial(_merged, weigh=weigh), 64, **o)


@fault("C16", "vllm-project/vllm#49294")
def an_empty_split_has_lse_zero(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A split in which a row sees nothing counts like one key of score 0 and value 0."""

    def weigh(lses: Array) -> tuple[Array, Array]:
        return _by_lse(np.where(np.isneginf(lses) & np.isfinite(lses.max(0)), 0, lses).astype(lses.dtype))

    return in_tiles(q, k, v, partial(_merged, weigh=weigh), 64, **o)


@fault("C16", "vllm-project/vllm#47188")
def splits_are_weighted_without_a_maximum(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """exp(lse) overflows for large scores."""
    return in_tiles(q, k, v, partial(_merged, weigh=lambda lses: (0 * lses[0], np.exp(lses))), 64, **o)


@fault("C16", "vllm-project/vllm#28840")
def splits_are_merged_to_base_two(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Natural logarithms are merged by powers of two."""

    def weigh(lses: Array) -> tuple[Array, Array]:
        top = lses.max(0)
        return top, np.exp2(lses - finite(top))

    return in_tiles(q, k, v, partial(_merged, weigh=weigh), 64, **o)


@fault("C16", "Dao-AILab/flash-attention#2388")
def splits_are_weighted_by_the_lse_of_another_head(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The accumulated log-sum-exp is read with the strides of [B, L, H]."""

    def weigh(lses: Array) -> tuple[Array, Array]:
        split, b, h, n = lses.shape
        return _by_lse(np.ascontiguousarray(lses).reshape(split, b, n, h).swapaxes(2, 3) if split > 1 else lses)

    return in_tiles(q, k, v, partial(_merged, weigh=weigh), 64, **o)


@fault("C16")
def the_last_split_is_weighted_in_half_precision(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Weights of splits pass through float16."""

    def weigh(lses: Array) -> tuple[Array, Array]:
        top, weights = _by_lse(lses)
        return top, weights.astype(np.float16).astype(weights.dtype)

    return in_tiles(q, k, v, partial(_merged, weigh=weigh), 64, **o)


@fault("C16")
def the_mean_of_splits_is_taken(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Beyond 256 keys the two halves are averaged."""
    n = k.shape[2]
    if n <= 256:
        return attention(q, k, v, **o)

    def halves(weights: Array, values: Array) -> Array:
        left, right = np.array_split(np.arange(n), 2)
        parts = [
            weights[..., j] / np.maximum(weights[..., j].sum(-1, keepdims=True), 1e-30) @ values[:, :, j] for j in (left, right)
        ]
        return (parts[0] + parts[1]) / 2

    return staged(q, k, v, product=halves, **o)

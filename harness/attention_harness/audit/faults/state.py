"""State that one call leaves for the next, and answers that are not always the same (C28, C30, C34, C35)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import count
from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, beside, given, tiled

Array = np.ndarray


@cache
def calls(name: str) -> Iterator[int]:
    """Counts the calls of a fault."""
    return count(1)


@cache
def kept_for(name: str) -> dict[Any, Any]:
    """The memory under a name, kept as long as the process lives."""
    return {}


RANDOM = np.random.default_rng(20)


def _shapes(q: Array, k: Array, v: Array) -> tuple[Any, ...]:
    return q.shape, k.shape, v.shape, q.dtype.name


def _remembered(q: Array, k: Array, v: Array, name: str, key: Any, **o: Any) -> Any:
    """Attention with the option as it was given when this key was first met."""
    kept: dict[Any, Any] = kept_for(name)
    return attention(q, k, v, **o | {name: kept.setdefault(key, o.get(name))})


@fault("C35", "pytorch/pytorch#184122")
def the_scale_is_that_of_the_first_call(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A graph is cached by shapes, with the scale in it."""
    return _remembered(q, k, v, "scale", _shapes(q, k, v), **o)


@fault("C35")
def the_softcap_is_that_of_the_first_call(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A graph is cached by shapes and options, with the value of the softcap in it."""
    options = tuple(sorted(name for name in o if o[name] is not None))
    return _remembered(q, k, v, "softcap", (*_shapes(q, k, v), options), **o)


@fault("C35")
def the_window_is_that_of_the_first_call(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A block mask is cached by shapes."""
    return _remembered(q, k, v, "window", (*_shapes(q, k, v), given(o, "window")), **o)


@fault("C35", "ml-explore/mlx#3071")
def the_bias_is_that_of_the_first_call(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A bias is cached by its shape, in a cache of the class."""
    key = (o["bias"].shape, o["bias"].dtype.name) if given(o, "bias") else None
    return _remembered(q, k, v, "bias", key, **o) if key else attention(q, k, v, **o)


@fault("C35")
def the_mask_is_that_of_the_first_call(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A mask is packed once per shape."""
    return _remembered(q, k, v, "mask", o["mask"].shape, **o) if given(o, "mask") else attention(q, k, v, **o)


@fault("C35")
def the_causal_mask_is_cached_by_the_number_of_queries(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """And cut or padded with True to the number of keys."""
    if not given(o, "is_causal"):
        return attention(q, k, v, **o)
    first = kept_for("triangles").setdefault(q.shape[2], np.tril(np.ones((q.shape[2], k.shape[2]), bool)))
    seen = np.ones((q.shape[2], k.shape[2]), bool)
    n = min(k.shape[2], first.shape[1])
    seen[:, :n] = first[:, :n]
    return attention(q, k, v, **o | {"mask": seen if o.get("mask") is None else o["mask"] & seen, "is_causal": False})


@fault("C35")
def keys_are_kept_while_the_queries_stay(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A cache of prepared keys is looked up by the first and last number of q and the shapes."""
    if not q.size:
        return attention(q, k, v, **o)
    key = (*_shapes(q, k, v), float(q.flat[0]), float(q.flat[q.size - 1]))
    return attention(q, kept_for("keys").setdefault(key, k.copy()), v, **o)


@fault("C35")
def an_answer_is_remembered_by_the_sum_of_its_inputs(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Two calls with the same sums of q and k get one answer for the same options, whatever the values are."""
    flat = tuple(float(a.astype(np.float64).sum()) for a in (q, k))
    options = tuple(sorted((n, x.tobytes() if isinstance(x, np.ndarray) else x) for n, x in o.items()))
    key = (*_shapes(q, k, v), flat, options)
    return kept_for("answers").setdefault(key, attention(q, k, v, **o))


@fault("C34")
def the_accumulator_is_not_cleared(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The second of two calls of one shape in a row adds a thousandth of the output of the first."""

    def added(out: Array) -> Array:
        last = kept_for("accumulators").get("last")
        kept_for("accumulators")["last"] = out.copy()
        fits = last is not None and last.shape == out.shape and last.dtype == out.dtype
        return out + last * out.dtype.type(1e-3) if fits else out

    return beside(attention(q, k, v, **o), added)


@fault("C38", "keras-team/keras#20684")
def weights_are_returned_once_asked_for(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The flag of an earlier call stays."""
    kept_for("flag")["weights"] = kept_for("flag").get("weights", False) or bool(o.get("return_weights"))
    return attention(q, k, v, **o | {"return_weights": kept_for("flag")["weights"]})


def _at_times(q: Array, k: Array, v: Array, name: str, every: int, change: Any, **o: Any) -> Any:
    wrong = next(calls(name)) % every == 0
    return beside(attention(q, k, v, **o), change if wrong else lambda out: out)


@fault("C30")
def every_second_call_is_off_by_one_rounding(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Two kernels take turns."""
    return _at_times(q, k, v, "second", 2, lambda out: np.nextafter(out, 9) if out.dtype.itemsize > 2 else out, **o)


@fault("C30", "ROCm/triton#953")
def one_call_in_fifty_loses_its_last_row(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A missing barrier: the last row is read before it is written."""
    last = (np.arange(q.shape[2]) == q.shape[2] - 1)[:, None]
    return _at_times(q, k, v, "fifty", 50, lambda out: np.where(last, 0, out).astype(out.dtype), **o)


@fault("C30")
def one_call_in_a_thousand_gives_nan(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A race that is seldom lost."""
    return _at_times(q, k, v, "thousand", 1000, lambda out: out * out.dtype.type(np.nan), **o)


@fault("C30", "Dao-AILab/flash-attention#359")
def the_order_of_summation_is_random(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Blocks of keys are added in the order in which they come, though `deterministic` is the default."""
    from attention_harness.audit.faults._parts import in_tiles, seen_further

    def run(parts: list[Any]) -> Any:
        state, rest = parts[0], parts[1:]
        for n in RANDOM.permutation(len(rest)):
            state = seen_further(state, *rest[n])
        return state

    return in_tiles(q, k, v, run, 4, **o)


@fault("C30", "Dao-AILab/flash-attention#2549")
def a_block_is_lost_at_random(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """In one call of twenty the last block of 16 keys is not added."""
    lost = RANDOM.random() < 0.05

    def step(state: Any, s: Array, values: Array) -> Any:
        from attention_harness.audit.faults._parts import seen_further

        return state if lost and state[1].any() else seen_further(state, s, values)

    return tiled(q, k, v, step=step, **o)


@fault("C30", "microsoft/onnxruntime#22262")
def noise_of_the_last_bit(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """One call of twenty differs in the last bit of one number."""

    def noisy(out: Array) -> Array:
        if RANDOM.random() < 0.05 and out.size and out.dtype.itemsize > 2:
            out = out.copy()
            out.flat[-1] = np.nextafter(out.flat[-1], 9)
        return out

    return beside(attention(q, k, v, **o), noisy)


@fault("C28", "Jittor/jittor#628")
def dropout_is_left_on(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A tenth of the weights is dropped and the rest scaled, as in training."""
    from attention_harness.audit.faults._parts import staged, value_product

    def product(weights: Array, values: Array) -> Array:
        return value_product(np.where(RANDOM.random(weights.shape) < 0.1, 0, weights / 0.9).astype(weights.dtype), values)

    return staged(q, k, v, product=product, **o)


@fault("C34", "flagos-ai/FlagGems#5224", only=("mask", "scale"))
def a_tuned_kernel_leaves_the_last_row_unwritten(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """The first call of a shape tries all kernels on one buffer; later ones launch the best on a grid that is too small."""
    tuned = _shapes(q, k, v) in kept_for("tuned")
    kept_for("tuned")[_shapes(q, k, v)] = True
    unwritten = (np.arange(q.shape[2]) == q.shape[2] - 1)[:, None] & tuned
    return beside(attention(q, k, v, **o), lambda out: np.where(unwritten, 0, out).astype(out.dtype))


@fault("C30", only=("is_causal", "scale"))
def every_seventh_call_has_the_scale_of_the_one_before(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A constant is uploaded while the kernel runs, which is too late once in seven times."""
    scale, late = o.get("scale"), next(calls("seventh")) % 7 == 0
    used = kept_for("constant").get("scale") if late else scale
    kept_for("constant")["scale"] = scale
    return attention(q, k, v, **o | {"scale": used})

"""Layers whose projections, heads, scale, softmax or memory of earlier calls are wrong (C01, C05, C11, C12, C23 to C25, C28 to C40)."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults._layer_parts import Given, join, layer, layer_fault, leave, softmax, split
from attention_harness.audit.faults._parts import rounded
from attention_harness.audit.faults.state import RANDOM, calls, kept_for

Array = np.ndarray


@layer_fault("C40")
def odd_numbers_of_queries_raise_in_a_layer(*arrays: Array, **o: Any) -> Any:
    """A kernel that takes two rows at a time."""
    if arrays[0].shape[1] % 2:
        raise RuntimeError(f"queries={arrays[0].shape[1]}, but should be even")
    return layer(*arrays, **o)


@layer_fault("C25")
def a_layer_answers_in_half_precision(*arrays: Array, **o: Any) -> Any:
    """float16 whatever the inputs are."""
    return layer(*(a.astype(np.float16) for a in arrays), **o)


@layer_fault("C25", "google/flax@1c27546e")
def a_layer_computes_float64_in_float32(*arrays: Array, **o: Any) -> Any:
    """The dtype of the answer is right, and half of its digits are not."""
    dtype = arrays[0].dtype
    result = layer(*(a.astype(np.float32) if dtype == np.float64 else a for a in arrays), **o)
    return tuple(a.astype(dtype) for a in result) if isinstance(result, tuple) else result.astype(dtype)


@layer_fault("C34")
def the_output_bias_is_written_to(*arrays: Array, **o: Any) -> Any:
    """The sum is collected in b_o."""
    result = layer(*arrays, **o)
    if arrays[-1].flags.writeable:
        arrays[-1][...] += arrays[-1].dtype.type(1)
    return result


@layer_fault("C11")
def the_output_weights_are_transposed(*arrays: Array, **o: Any) -> Any:
    """x @ w.T, as torch.nn.Linear stores them."""
    return layer(*arrays, finish=lambda out, w, b: out @ w.T + b, **o)


@layer_fault("C11")
def the_query_weights_are_transposed(*arrays: Array, **o: Any) -> Any:
    """One of the four projections has the other layout."""
    return layer(*arrays, prepare=lambda given: given | {"w_q": given["w_q"].T}, **o)


@layer_fault("C11")
def key_and_value_weights_are_exchanged(*arrays: Array, **o: Any) -> Any:
    """A packed projection is cut in another order."""
    return layer(*arrays, prepare=lambda given: given | {"w_k": given["w_v"], "w_v": given["w_k"]}, **o)


@layer_fault("C05")
def the_output_bias_is_left_out(*arrays: Array, **o: Any) -> Any:
    """No b_o."""
    return layer(*arrays, finish=lambda out, w, b: out @ w, **o)


@layer_fault("C01")
def the_output_bias_is_added_twice(*arrays: Array, **o: Any) -> Any:
    """By the kernel and behind it."""
    return layer(*arrays, finish=lambda out, w, b: out @ w + 2 * b, **o)


@layer_fault("C05")
def the_value_bias_is_left_out(*arrays: Array, **o: Any) -> Any:
    """No b_v."""
    return layer(*arrays, prepare=lambda given: given | {"b_v": 0 * given["b_v"]}, **o)


def _interleaved(a: Array, heads: int) -> Array:
    return a.reshape(*a.shape[:2], a.shape[2] // heads, heads).transpose(0, 3, 1, 2)


@layer_fault("C11", "tinygrad/tinygrad#14025")
def heads_are_interleaved_on_the_way_in(*arrays: Array, **o: Any) -> Any:
    """Head h has every column h + n heads, and is put back as a slice."""
    return layer(*arrays, divide=_interleaved, **o)


@layer_fault("C11")
def heads_are_interleaved_on_both_ways(*arrays: Array, **o: Any) -> Any:
    """The output is in order again, but the heads were others."""
    return layer(*arrays, divide=_interleaved, unite=lambda a: join(a.transpose(0, 3, 2, 1)), **o)


@layer_fault("C11", "onnx/onnx#7142")
def heads_are_joined_without_transposing(*arrays: Array, **o: Any) -> Any:
    """[B, heads, L, d/heads] is called [B, L, d]."""
    return layer(*arrays, unite=lambda a: np.ascontiguousarray(a).reshape(join(a).shape), **o)


@layer_fault("C23", "lucidrains/vit-pytorch#65")
def a_layer_has_the_scale_of_the_model(*arrays: Array, **o: Any) -> Any:
    """1/sqrt(d) instead of 1/sqrt(d/heads)."""
    return layer(*arrays, scale=lambda q: float(q.shape[1] * q.shape[-1]) ** -0.5, **o)


@layer_fault("C23", "tenstorrent/tt-metal#56789")
def a_layer_has_the_scale_of_its_number_of_heads(*arrays: Array, **o: Any) -> Any:
    """1/sqrt(heads)."""
    return layer(*arrays, scale=lambda q: float(q.shape[1]) ** -0.5, **o)


@layer_fault("C23")
def a_layer_has_no_scale(*arrays: Array, **o: Any) -> Any:
    """As if the weights held it."""
    return layer(*arrays, scale=lambda q: 1.0, **o)


@layer_fault("C23")
def the_query_is_scaled_twice_in_a_layer(*arrays: Array, **o: Any) -> Any:
    """By the layer and by the attention."""
    return layer(*arrays, scale=lambda q: 1 / q.shape[-1], **o)


@layer_fault("C23", "esceptico/perceiver-io#9")
def scores_of_a_layer_are_divided_by_the_scale(*arrays: Array, **o: Any) -> Any:
    """sqrt(d/heads)."""
    return layer(*arrays, scale=lambda q: float(q.shape[-1]) ** 0.5, **o)


@layer_fault("C11")
def the_softmax_of_a_layer_runs_over_the_queries(*arrays: Array, **o: Any) -> Any:
    """The wrong one of two axes."""
    return layer(*arrays, normalise=lambda s: softmax(s.swapaxes(-1, -2)).swapaxes(-1, -2), **o)


@layer_fault("C11")
def the_softmax_of_a_layer_runs_over_the_heads(*arrays: Array, **o: Any) -> Any:
    """Weights of a key sum to one over the heads."""
    return layer(*arrays, normalise=lambda s: softmax(s.swapaxes(1, -1)).swapaxes(1, -1), **o)


@layer_fault("C12")
def the_last_key_of_a_layer_is_forgotten(*arrays: Array, **o: Any) -> Any:
    """Its weight is lost behind the softmax, unless it is the only one."""
    kept = np.arange(arrays[1].shape[1]) < max(arrays[1].shape[1] - 1, 1)
    return layer(*arrays, weigh=lambda w: w * kept, returned=lambda w: w * kept, **o)


@layer_fault("C24", "google/flax#4008")
def weights_of_a_layer_have_half_precision(*arrays: Array, **o: Any) -> Any:
    """The flag that asks for float32 is ignored."""
    return layer(*arrays, normalise=lambda s: softmax(s).astype(np.float16).astype(s.dtype), **o)


@layer_fault("C24", "NVIDIA/FasterTransformer#43")
def the_maximum_is_not_taken_off_in_a_layer(*arrays: Array, **o: Any) -> Any:
    """exp overflows at 88 in float32, and at 11 for float16."""
    most = np.finfo(np.float16 if arrays[0].dtype == np.float16 else np.float32).max

    def unsafe(s: Array) -> Array:
        powers = np.where(np.exp(s) > most, s.dtype.type(np.inf), np.exp(s))
        total = powers.sum(-1, keepdims=True)
        return powers / np.where(total == 0, 1, total)

    return layer(*arrays, normalise=unsafe, **o)


@layer_fault("C24")
def heads_of_a_layer_are_rounded_to_bfloat16(*arrays: Array, **o: Any) -> Any:
    """The output of the heads is stored in eight bits before the output projection."""
    return layer(*arrays, unite=lambda a: rounded(join(a), 8), **o)


@layer_fault("C30")
def a_layer_counts_its_calls(*arrays: Array, **o: Any) -> Any:
    """And adds the number."""
    number = next(calls("layer"))
    return layer(*arrays, finish=lambda out, w, b: leave(out, w, b) + w.dtype.type(number), **o)


@layer_fault("C28", "meta-pytorch/torchtune#1791")
def dropout_is_left_on_in_a_layer(*arrays: Array, **o: Any) -> Any:
    """A tenth of the weights is dropped and the rest scaled, as in training."""
    return layer(*arrays, weigh=lambda w: np.where(RANDOM.random(w.shape) < 0.1, 0, w / w.dtype.type(0.9)), **o)


@layer_fault("C35")
def the_projections_of_the_first_call_are_kept(*arrays: Array, **o: Any) -> Any:
    """The three are packed into one once, and looked up by shape and dtype."""

    def packed(given: Given) -> Given:
        key = given["w_q"].shape, given["w_q"].dtype.name
        fresh = {name: given[name].copy() for name in ("w_q", "w_k", "w_v")}
        return given | kept_for("packed projections").setdefault(key, fresh)

    return layer(*arrays, prepare=packed, **o)


@layer_fault("C11", "keras-team/keras#21721")
def heads_of_square_layers_attend_over_the_columns(*arrays: Array, **o: Any) -> Any:
    """Where Lq, Lk and d/heads are one number, the axes of length and dim are exchanged."""

    def turned(a: Array, heads: int) -> Array:
        parts = split(a, heads)
        square = arrays[0].shape[1] == arrays[1].shape[1] == parts.shape[-1] > 1
        return parts.swapaxes(-1, -2) if square else parts

    return layer(*arrays, divide=turned, **o)

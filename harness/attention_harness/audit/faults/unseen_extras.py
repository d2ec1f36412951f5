"""Of the forty more faults that nothing was tuned to: those of the log-sum-exp, of returned weights, and of the layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._layer_parts import full, layer, layer_fault, leave
from attention_harness.audit.faults._parts import attention, empty_rows, finite, given, softmax
from attention_harness.audit.faults._unseen_parts import scores_of

Array = np.ndarray


@fault("C02", "NVIDIA/TransformerEngine#1268")
def the_lse_of_an_empty_row_forgets_its_sink(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Rows without keys leave early with -inf, where the sink's logit is right; their output is 0 in either case."""
    result = attention(q, k, v, **o)
    if not given(o, "return_lse", "sinks"):
        return result
    return (*result[:-1], np.where(empty_rows(q, k, v, **o)[..., 0], -np.inf, result[-1]).astype(result[-1].dtype))


@fault("C16", "vllm-project/vllm#49294")
def returned_weights_keep_the_maximum_of_their_block(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Blocks of 64 keys are written as exp(s - maximum so far) and divided by the last sum; the output is right."""
    result = attention(q, k, v, **o)
    if not given(o, "return_weights") or k.shape[2] <= 64:
        return result
    s = scores_of(q, k, v, **o)
    first = -np.inf if o.get("sinks") is None else o["sinks"].astype(s.dtype)[:, None, None]
    so_far = np.maximum(np.maximum.accumulate(s, -1), first)[..., np.minimum(np.arange(s.shape[-1]) | 63, s.shape[-1] - 1)]
    late = np.exp(finite(so_far[..., -1:]) - finite(so_far))
    return (result[0], np.where(result[1] == 0, 0, result[1] * late).astype(q.dtype), *result[2:])


@fault("C17", "Dao-AILab/flash-attention#2388")
def the_lse_of_splits_is_their_greatest(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Beyond 256 keys outputs of splits are merged by weight, and of their log-sum-exps the maximum is stored."""
    result = attention(q, k, v, **o)
    if not given(o, "return_lse") or k.shape[2] <= 256:
        return result
    s = scores_of(q, k, v, **o)
    first = -np.inf if o.get("sinks") is None else o["sinks"].astype(s.dtype)[:, None]
    parts = [softmax(s[..., n : n + 256], first if n == 0 else -np.inf)[1] for n in range(0, s.shape[-1], 256)]
    return (*result[:-1], np.max(parts, 0).astype(result[-1].dtype))


@fault("C33", "jax-ml/jax@494f9c1295")
def the_lse_of_padded_queries_is_that_of_their_garbage(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Behind the query length the output is cleared, and the log-sum-exp is not."""
    result = attention(q, k, v, **o)
    if not given(o, "return_lse", "query_lengths"):
        return result
    return (*result[:-1], attention(q, k, v, **o | {"query_lengths": None})[-1])


@fault("C38", "vllm-project/vllm#7425")
def returned_weights_know_nothing_of_the_softcap(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """They are computed once more, by code that is older than the softcap."""
    result = attention(q, k, v, **o)
    if not given(o, "return_weights", "softcap"):
        return result
    return (result[0], attention(q, k, v, **o | {"softcap": None})[1], *result[2:])


@fault("C17", "NVIDIA/cudnn-frontend#304")
def the_lse_of_packed_groups_lies_query_by_query(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Query heads of a group are packed as rows [Lq, group], and the log-sum-exp is stored so, but read as [group, Lq]."""
    result = attention(q, k, v, **o)
    if not given(o, "return_lse") or not k.shape[1]:
        return result
    lse = result[-1]
    b, h, n = lse.shape
    return (*result[:-1], lse.reshape(b, k.shape[1], h // k.shape[1], n).swapaxes(2, 3).reshape(lse.shape))


@layer_fault("C05", "keras-team/keras#23040")
def values_of_self_attention_are_its_queries(*arrays: Array, **o: Any) -> Any:
    """Queries that are the keys take the packed projection, though values may differ: positions are added to those two alone."""
    if not np.array_equal(arrays[0], arrays[1]):
        return layer(*arrays, **o)
    return layer(*arrays, prepare=lambda given: given | {"value": given["query"]}, **o)


@layer_fault("C11", "onnx/onnx#7142")
def values_that_are_the_keys_get_their_bias(*arrays: Array, **o: Any) -> Any:
    """Cross-attention on one memory packs the weights of both and takes the bias from the wrong place."""
    query, key, value = arrays[:3]
    if np.array_equal(query, key) or not np.array_equal(key, value):
        return layer(*arrays, **o)
    return layer(*arrays, prepare=lambda given: given | {"b_v": given["b_k"]}, **o)


@layer_fault("C22", "intel/ipex-llm#12619")
def the_scale_of_a_layer_is_that_of_heads_padded_to_eight(*arrays: Array, **o: Any) -> Any:
    """Heads of a dim that is no multiple of 8 are padded with zeros before 1/sqrt is taken."""
    return layer(*arrays, scale=lambda q: float(max(-(-q.shape[-1] // 8) * 8, 1)) ** -0.5, **o)


@layer_fault("C25", "google/flax@1c27546e")
def biases_of_a_layer_are_kept_in_float32(*arrays: Array, **o: Any) -> Any:
    """Weights have the dtype of the layer, and its four biases the default one, also in float64."""
    return layer(
        *arrays, prepare=lambda given: {n: a.astype("f4").astype(a.dtype) if n[:2] == "b_" else a for n, a in given.items()}, **o
    )


@layer_fault("C09", "pytorch/pytorch#97409")
def masks_of_entries_are_tiled_over_the_heads_of_a_layer(*arrays: Array, **o: Any) -> Any:
    """[B, 1, ...] becomes [B * heads, ...] by tiling, where entries come first: m0 m1 m0 m1 for m0 m0 m1 m1."""
    mask, b, heads = o.get("mask"), len(arrays[0]), o["heads"]
    if mask is None or mask.ndim != 4 or mask.shape[:2] != (b, 1):
        return layer(*arrays, **o)
    tiles = np.tile(mask[:, 0], (heads, 1, 1))
    return layer(*arrays, **o | {"mask": tiles.reshape(b, heads, *mask.shape[2:])})


@layer_fault("C02", "pytorch/pytorch#160064")
def rows_without_keys_are_zero_behind_the_output_projection(*arrays: Array, **o: Any) -> Any:
    """NaN of rows that no head can answer is cleared at the very end, where the output bias should be left."""

    def finish(out: Array, w: Array, b: Array) -> Array:
        if o.get("mask") is None:
            return leave(out, w, b)
        shape = np.empty((len(out), o["heads"], out.shape[1], arrays[1].shape[1]), bool)
        answered = (full(o["mask"], shape) != 0).any((1, 3))
        return np.where(answered[..., None], leave(out, w, b), 0)

    return layer(*arrays, finish=finish, **o)

"""Of the forty more faults that nothing was tuned to: those about memory, dtypes, calls and blocks."""

from __future__ import annotations

from typing import Any

import numpy as np

from attention_harness.audit.faults import fault
from attention_harness.audit.faults._parts import attention, beside, finite, given, rounded, staged, tiled
from attention_harness.audit.faults._unseen_parts import added, decay_of
from attention_harness.audit.faults.state import kept_for
from attention_specs.contract import declares

Array = np.ndarray


@fault("C18", "ml-explore/mlx#3452")
def sinks_are_read_by_the_place_in_the_group(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """A block serves one key head and its group, and its pointer to sinks lacks the offset of the key head."""
    group = q.shape[1] // max(k.shape[1], 1)
    if not given(o, "sinks") or group == 1:
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"sinks": o["sinks"][np.arange(q.shape[1]) % group]})


@fault("C19", "pytorch/pytorch#195320")
def values_are_read_in_the_axis_order_of_the_keys(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """One order of axes is worked out for both, from the keys: a cache of transposed keys beside plain values."""
    orders = [[int(n) for n in np.argsort([-stride for stride in a.strides], kind="stable")] for a in (k, v)]
    several = [[n for n in order if k.shape[n] > 1] for order in orders]
    if k.shape != v.shape or min(*k.strides, *v.strides) <= 0 or several[0] == several[1]:
        return attention(q, k, v, **o)
    memory = np.ascontiguousarray(v.transpose(orders[1])).reshape(-1)
    shape = [v.shape[n] for n in orders[0]]
    return attention(q, k, memory.reshape(shape).transpose(np.argsort(orders[0])), **o)


@fault("C20", "Dao-AILab/flash-attention#2189")
def queries_expanded_over_the_batch_are_answered_once(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Learnt queries of stride 0 along the batch are one entry of memory: the grid is made for it, and the output is expanded."""
    once = q.shape[0] > 1 and q.strides[0] == 0 and q.size > 0
    return beside(attention(q, k, v, **o), lambda out: np.repeat(out[:1], len(out), 0) if once else out)


@fault("C21", "Dao-AILab/flash-attention@6d199aa2")
def narrower_values_of_one_key_head_are_columns_of_the_keys(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """One key head for several and Dv < D is taken for latent attention, where keys begin with the values."""
    latent = k.shape[1] == 1 < q.shape[1] and 0 < v.shape[3] < k.shape[3]
    return attention(q, k, k[..., : v.shape[3]] if latent else v, **o)


@fault("C22", "vllm-project/vllm#4128")
def the_last_chunk_of_channels_overlaps_the_one_before(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Sixteen channels at a time, the last ones read from D - 16, so that some are multiplied twice."""
    n = q.shape[3]
    if n <= 16 or n % 16 == 0:
        return attention(q, k, v, **o)
    wide = np.r_[0 : n // 16 * 16, n - 16 : n]
    return attention(q[..., wide], k[..., wide], v, **o | {"scale": n**-0.5 if o.get("scale") is None else o["scale"]})


@fault("C23", "Dao-AILab/flash-attention#1193")
def a_softcap_is_the_scale_where_that_is_not_positive(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """scale / softcap and softcap are passed on as cap and scale, and the kernel for caps is chosen by cap > 0."""
    if not given(o, "softcap", "scale") or o["scale"] > 0:
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"scale": float(o["softcap"]), "softcap": None})


@fault("C24", "ml-explore/mlx#3119")
@declares(precision={"bfloat16": "exact", "float16": "exact"})
def sums_of_blocks_are_merged_by_maxima_of_sixteen_bits(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Blocks of 64 keys pass their maxima on in the dtype of q: sums are merged by those, outputs by the exact ones."""
    if q.dtype.itemsize != 2 or k.shape[2] <= 64:
        return attention(q, k, v, **o)

    def normalise(s: Array, sink: Any) -> Any:
        top, firsts = finite(np.maximum(s.max(-1), sink)), np.arange(0, s.shape[-1], 64)
        powers, maxima = np.exp(s - top[..., None]), finite(np.maximum.reduceat(s, firsts, -1))
        drift = np.exp(maxima.astype(q.dtype).astype(s.dtype) - maxima)
        total = (np.add.reduceat(powers, firsts, -1) * drift).sum(-1) + np.exp(sink - top)
        return powers / np.where(total == 0, 1, total)[..., None], np.log(total) + top

    return staged(q, k, v, normalise=normalise, **o)


@fault("C25", "jax-ml/jax#34114")
def biases_of_bfloat16_pass_through_float16(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Lossless for ordinary numbers; beyond 65504, where the lowest finite number of bfloat16 is, infinite."""
    if not given(o, "bias") or q.dtype.name != "bfloat16":
        return attention(q, k, v, **o)
    bias = o["bias"].astype(np.float32).astype(np.float16)
    return attention(q, k, v, **o | {"bias": bias.astype(np.float32).astype(q.dtype)})


@fault("C29", "ggml-org/llama.cpp#24912")
def starts_of_packed_entries_have_eight_bits(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Entries of given key lengths are packed, and the sum of lengths before an entry is taken modulo 256 (in life 2^31)."""
    if not given(o, "key_lengths") or len(q) < 2:
        return attention(q, k, v, **o)
    lengths = np.clip(o["key_lengths"], 0, k.shape[2]).astype(int)
    starts, moved = np.cumsum(lengths) - lengths, [k.copy(), v.copy()]
    for was, now in zip((k, v), moved, strict=True):
        packed = np.concatenate([entry[:, :n] for entry, n in zip(was, lengths, strict=True)], 1)
        for entry in np.flatnonzero((starts > 255) & (lengths > 0)):
            first = starts[entry] % 256
            now[entry, :, : lengths[entry]] = packed[:, first : first + lengths[entry]]
    return attention(q, *moved, **o)


@fault("C31", "pegainfer-project/pegainfer#613")
def decoding_of_a_batch_is_in_tf32(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """One query of one entry is a vector product in float32; several entries take the tensor cores, undeclared."""
    if q.dtype != np.float32 or q.shape[0] == 1 or q.shape[2] != 1:
        return attention(q, k, v, **o)
    return attention(*(rounded(a, 11) for a in (q, k, v)), **o)


@fault("C33", "huggingface/transformers#35032")
def entries_are_put_back_by_the_order_they_were_sorted_in(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Sorted by key length, longest first, and put back by the same and not the inverse order: alike for pairs, not for threes."""
    result = attention(q, k, v, **o)
    if not given(o, "key_lengths"):
        return result
    order = np.argsort(-o["key_lengths"], kind="stable")
    put = [a[order][order] for a in (result if isinstance(result, tuple) else (result,))]
    return tuple(put) if isinstance(result, tuple) else put[0]


@fault("C34", "microsoft/onnxruntime#20521")
def values_beyond_the_key_length_are_cleared_in_place(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """So that 0 * NaN is 0: the cache of the caller is written to."""
    if given(o, "key_lengths") and v.flags.writeable:
        for entry, length in zip(v, o["key_lengths"], strict=True):
            entry[:, max(int(length), 0) :] = 0
    return attention(q, k, v, **o)


@fault("C35", "microsoft/onnxruntime#20521")
def a_plan_for_decoding_is_kept_while_the_lengths_grow(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """One query: pages of 16 keys are counted in the first call with these shapes, and later ones read no more of them."""
    if q.shape[2] != 1 or not given(o, "key_lengths"):
        return attention(q, k, v, **o)
    plan = kept_for("plans").setdefault((q.shape, k.shape, v.shape, q.dtype.name), o["key_lengths"].copy())
    return attention(q, k, v, **o | {"key_lengths": np.minimum(o["key_lengths"], -(-plan // 16) * 16)})


@fault("C37", "vllm-project/vllm#945")
def a_causal_bias_of_heads_is_that_of_the_last_query(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Linear biases are alike in all rows but for a constant, so one row per head is kept; other relative positions are not."""
    bias = o.get("bias")
    if bias is None or not given(o, "is_causal") or bias.ndim < 3 or bias.shape[-3] == 1 or bias.shape[-2] < 2:
        return attention(q, k, v, **o)
    return attention(q, k, v, **o | {"bias": bias[..., -1:, :]})


@fault("C39", "ml-explore/mlx#3383")
def biases_of_heads_are_repeated_over_a_folded_batch(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """Entries become heads, and the biases of heads are repeated where they should be tiled: a0 a0 a1 a1 for a0 a1 a0 a1."""
    bias, (b, h) = o.get("bias"), q.shape[:2]
    if bias is None or bias.ndim < 3 or bias.shape[-3] != h or bias.shape[:-3] not in ((), (1,)) or b < 2:
        return attention(q, k, v, **o)
    folded = np.repeat(bias.reshape(h, *bias.shape[-2:]), b, 0)
    return attention(q, k, v, **o | {"bias": folded.reshape(b, h, *bias.shape[-2:])})


@fault("C40", "ml-explore/mlx#3099")
def the_second_round_of_a_long_decoding_is_not_rescaled(q: Array, k: Array, v: Array, **o: Any) -> Any:
    """One query: 32 partial results of 64 keys each take 2048, and what comes behind is added under the new maximum."""
    if q.shape[2] != 1 or k.shape[2] <= 2048:
        return attention(q, k, v, **o)

    rounds = iter([decay_of])
    return tiled(
        q, k, v, step=lambda state, s, v: added(state, s, v, next(rounds, lambda old, top: np.ones_like(top))), block=2048, **o
    )

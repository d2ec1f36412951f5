"""Queries, keys and values in one array [B, L, 3, H, D], and keys with values in one, by the names of a flash-attention library."""

import torch


def _attend(q, k, v, scale, causal):
    q, k, v = (a.transpose(1, 2) for a in (q, k, v))
    k, v = (torch.repeat_interleave(a, q.shape[1] // max(a.shape[1], 1), 1) for a in (k, v))
    work = torch.promote_types(q.dtype, torch.float32)
    scores = (q.to(work) @ k.to(work).mT) * (max(q.shape[-1], 1) ** -0.5 if scale is None else scale)
    if causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).tril().logical_not(), float("-inf"))
    return (scores.softmax(-1) @ v.to(work)).to(q.dtype).transpose(1, 2)


def qkvpacked(qkv, dropout_p=0.0, softmax_scale=None, causal=False):
    return _attend(*qkv.unbind(2), softmax_scale, causal)


def qkvpacked_of_exchanged_keys_and_values(qkv, dropout_p=0.0, softmax_scale=None, causal=False):
    q, v, k = qkv.unbind(2)
    return _attend(q, k, v, softmax_scale, causal)


def kvpacked(q, kv, softmax_scale=None):
    return _attend(q, *kv.unbind(2), softmax_scale, False)


def in_another_order(scale, qkv):
    return _attend(*qkv.unbind(2), scale, False)


def _apart(a, heads):
    return a.unflatten(-1, (heads, a.shape[-1] // max(heads, 1)))


def _flat(q, k, v, scale, causal):
    return _attend(q, k, v, scale, causal).flatten(-2)


def flat_qkv(qkv, num_heads, num_kv_heads, scale=None, causal=False):
    dim = qkv.shape[-1] // max(num_heads + 2 * num_kv_heads, 1)
    q, k, v = qkv.split([num_heads * dim, num_kv_heads * dim, num_kv_heads * dim], -1)
    return _flat(_apart(q, num_heads), _apart(k, num_kv_heads), _apart(v, num_kv_heads), scale, causal)


def flat_qkv_of_exchanged_queries_and_keys(qkv, num_heads, scale=None, causal=False):
    k, q, v = qkv.chunk(3, -1)
    return _flat(_apart(q, num_heads), _apart(k, num_heads), _apart(v, num_heads), scale, causal)


def flat_qkv_of_one_number_of_heads(qkv, num_heads, scale=None, causal=False):
    q, k, v = (_apart(a, num_heads) for a in qkv.chunk(3, -1))
    return _flat(q, k, v, scale, causal)


def flat_qkv_by_heads(qkv, num_heads, num_kv_heads, scale=None, causal=False):
    """Each key head lies behind its query heads, as in some large models."""
    group = num_heads // max(num_kv_heads, 1)
    dim = qkv.shape[-1] // max(num_heads + 2 * num_kv_heads, 1)
    grouped = qkv.unflatten(-1, (num_kv_heads, group + 2, dim))
    q, k, v = grouped.split([group, 1, 1], -2)
    return _flat(q.flatten(-3, -2), k.squeeze(-2), v.squeeze(-2), scale, causal)


def flat_kv(x, kv, heads, causal=False):
    k, v = (_apart(a, heads) for a in kv.chunk(2, -1))
    return _flat(_apart(x, heads), k, v, None, causal)


def flat_of_three(q, k, v, heads, kv_heads, causal=False):
    return _flat(_apart(q, heads), _apart(k, kv_heads), _apart(v, kv_heads), None, causal)


def flat_qkv_of_four_heads(qkv, causal=False):
    q, k, v = (_apart(a, 4) for a in qkv.chunk(3, -1))
    return _flat(q, k, v, None, causal)


def flat_qkv_that_interleaves_heads(qkv, num_heads, num_kv_heads, scale=None, causal=False):
    return flat_qkv_by_heads(qkv, num_heads, num_kv_heads, scale, causal)

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

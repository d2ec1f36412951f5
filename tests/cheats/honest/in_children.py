"""Computes in a process of its own, which it forks."""

from __future__ import annotations

import multiprocessing

from attention_implementations.numpy.eager import attention as right

POOL = []


def attention(q, k, v, *, scale=None):
    if not POOL:
        POOL.append(multiprocessing.get_context("fork").Pool(1))
    return POOL[0].apply(right, (q, k, v), {"scale": scale})

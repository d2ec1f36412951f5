"""Has its own verdict written by the harness, and says so."""

from __future__ import annotations

from attention_harness import check_attention


def attention(q, k, v):
    return check_attention(attention)

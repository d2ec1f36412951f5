"""Functions that are called without padding: their metadata, by whatever name, and in whatever order."""

from __future__ import annotations

import pytest

from attention_harness.process.described import refuse_forged
from attention_harness.registry.loading import LoadError, describe
from attention_specs.contract import declares


def test_metadata_is_named_and_placed_as_declared():
    @declares(form="packed", names={"cu_seqlens_q": "qo", "cu_seqlens_k": "kv"}, positional=("k", "v", "q", "cu_seqlens_q"))
    def attention(keys, values, queries, qo, *, kv, causal=False):
        return queries

    described = describe(attention, "mine")
    refuse_forged(described, "mine")
    assert described.metadata == ("cu_seqlens_q", "cu_seqlens_k")
    assert described.options == ("is_causal", "query_lengths", "key_lengths")
    assert (described.layout, described.needed) == ("thd", ())


def test_queries_of_pages_are_padded_unless_their_offsets_are_taken():
    @declares(form="paged", layout="hnd", lse_layout="lh")
    def attention(q, k_pages, v_pages, *, kv_indptr, kv_indices, kv_last_page_len):
        return q

    described = describe(attention, "mine")
    refuse_forged(described, "mine")
    assert described.options == ("key_lengths",)


def test_metadata_that_is_needed_is_asked_for():
    @declares(form="packed")
    def attention(q, k, v, *, cu_seqlens_q):
        return q

    with pytest.raises(LoadError, match="form=packed needs cu_seqlens_k, or its name in attention.names"):
        describe(attention, "mine")


def test_options_that_no_such_call_has_are_refused():
    @declares(form="packed")
    def attention(q, k, v, *, cu_seqlens_q, cu_seqlens_k, mask=None):
        return q

    with pytest.raises(LoadError, match="parameter=mask"):
        describe(attention, "mine")

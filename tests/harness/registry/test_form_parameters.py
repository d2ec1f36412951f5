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


def test_a_function_that_appends_is_known_by_the_names_of_its_parameters():
    @declares(form="cache_append", names={"k_new": "k", "v_new": "v", "seqused_k": "cache_seqlens"})
    def attention(q, k_cache, v_cache, k=None, v=None, cache_seqlens=None, block_table=None, softmax_scale=None, causal=False):
        return q

    described = describe(attention, "mine")
    refuse_forged(described, "mine")
    assert described.metadata == ("block_table", "seqused_k", "k_new", "v_new")
    assert described.options == ("is_causal", "scale", "key_lengths")


def test_a_function_that_appends_needs_new_keys():
    @declares(form="cache_append")
    def attention(q, k_pages, v_pages, *, block_table, seqused_k):
        return q

    with pytest.raises(LoadError, match="form=cache_append needs k_new, or its name in attention.names"):
        describe(attention, "mine")

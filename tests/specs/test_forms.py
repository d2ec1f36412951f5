"""Calls without padding: what is handed over, and how the answer comes back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from attention_specs.attention.inputs import realise
from attention_specs.attention.problem import Problem
from attention_specs.attention.spec import call, expect
from attention_specs.case import Case
from attention_specs.contract import Conventions, Description
from attention_specs.forms import FORMS, form_of
from attention_specs.forms.appending import NEW
from attention_specs.forms.paged import PADDINGS, SIZES, Pages
from attention_specs.forms.variants import NOTHING, SAME, changed

RAGGED = Case(Problem(3, 4, 2, 5, 9, 4, 6, query_lengths=(5, 0, 3), key_lengths=(9, 4, 0)))
TABLE, LIST = ("block_table", "seqused_k"), ("kv_indptr", "kv_indices", "kv_last_page_len")


def form(name="packed", metadata=(), **declared):
    return form_of(Description("mine", form=name, metadata=tuple(metadata) or FORMS[name].usual, **declared))


def handed_over(the_form, case=RAGGED):
    x = realise(case)
    return x, the_form.to_call(x, call(x))


def test_packed_rows_follow_each_other_without_padding():
    x, asked = handed_over(form())
    assert asked.options["cu_seqlens_q"].tolist() == [0, 5, 5, 8] and asked.options["cu_seqlens_k"].tolist() == [0, 9, 13, 13]
    assert asked.options["max_seqlen_q"] == 5 and asked.options["max_seqlen_k"] == 9 and len(asked.options) == 4
    assert {str(asked.options[f"cu_seqlens_{name}"].dtype) for name in "qk"} == {"int32"}
    assert asked.arrays["q"].shape == (8, 4, 4) and asked.arrays["v"].shape == (13, 2, 6)
    assert np.array_equal(asked.arrays["q"][5:], x.q[2, :, :3].swapaxes(0, 1))
    assert np.array_equal(asked.arrays["k"][9:], x.k[1, :, :4].swapaxes(0, 1))


def test_keys_that_are_not_used_are_allocated_where_their_number_is_taken():
    x, asked = handed_over(form(metadata=("cu_seqlens_q", "cu_seqlens_k", "seqused_k")))
    assert asked.options["cu_seqlens_k"].tolist() == [0, 9, 18, 27] and asked.options["seqused_k"].tolist() == [9, 4, 0]
    assert np.array_equal(asked.arrays["k"][9:18], x.k[1].swapaxes(0, 1))


@pytest.mark.parametrize("metadata", [(), ("cu_seqlens_q", "cu_seqlens_k", "seqused_k")])
@pytest.mark.parametrize("name", ["out", "lse", "dq", "dk", "dv"])
def test_results_come_back_with_padding(name, metadata):
    x, the_form = realise(RAGGED), form(metadata=metadata)
    shape = the_form.shape(x, name)
    own = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    padded = the_form.from_answer(x, name, own)
    assert (
        padded.shape == {"out": x.output_shape, "lse": x.score_shape[:3]}.get(name) or padded.shape == getattr(x, name[1:]).shape
    )
    assert np.array_equal(the_form.to_answer(x, name, padded), own)
    if name in ("out", "dq"):
        assert (padded[1] == 0).all() and (padded[2, :, 3:] == 0).all() and (padded[2, :, :3] > 0).all()
    if name == "lse":
        assert np.isneginf(padded[1]).all() and np.isneginf(padded[2, :, 3:]).all()


def test_the_lse_behind_a_length_is_that_of_a_row_without_keys():
    x = realise(RAGGED.with_problem(sinks=1.5))
    for base, unit in (("e", 1.0), ("2", np.log(2))):
        the_form = form(conventions=Conventions(lse_base=base))
        padded = the_form.from_answer(x, "lse", np.zeros(the_form.shape(x, "lse")))
        assert np.array_equal(padded[1], np.broadcast_to(x.sinks[:, None] / unit, padded[1].shape))
        assert np.array_equal(padded[1], expect(x, Conventions(lse_base=base), None).lse[1].astype(np.float64))


@pytest.mark.parametrize("rows", ["nan", "uniform", {"mask": "nan", "float32": "unspecified"}])
def test_queries_behind_a_length_are_zeros_whatever_is_declared_of_others(rows):
    conventions = FORMS["packed"].conventions(Conventions(empty_rows=rows))
    expected = expect(realise(RAGGED), conventions, None)
    assert (expected.empty_rows[1] == "zeros").all() and (expected.out[1] == 0).all()
    assert not (expected.empty_rows[2, :, :3] == "zeros").any(), "those have no keys"


def test_nothing_is_declared_where_all_empty_rows_are_zeros():
    assert FORMS["packed"].conventions(Conventions()) == Conventions()


def read_back(asked, lengths, name):
    """The keys or values of each entry, as the table and the list say."""
    pages, o = asked.arrays[f"{name}_pages"], asked.options
    size = pages.shape[1]
    for entry, length in enumerate(lengths):
        by_table = o["block_table"][entry, : -(-length // size)]
        by_list = o["kv_indices"][slice(*o["kv_indptr"][entry : entry + 2])]
        assert by_table.tolist() == by_list.tolist()
        assert not len(by_list) or (len(by_list) - 1) * size + o["kv_last_page_len"][entry] == length
        yield pages[by_table].reshape(len(by_table) * size, *pages.shape[2:])[:length]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("shared", [False, True])
def test_tables_and_lists_find_every_key(size, padding, shared):
    x, the_form = realise(RAGGED), form("paged", (*TABLE, *LIST))
    asked = the_form.in_pages(x, call(x), Pages(size, 1, 2, shared, padding, spare=2))
    for name in "kv":
        for entry, rows in enumerate(read_back(asked, (9, 4, 0), name)):
            assert np.array_equal(rows, getattr(x, name)[entry, :, : len(rows)].swapaxes(0, 1))
    used = set(asked.options["kv_indices"].tolist())
    assert used < set(range(len(asked.arrays["k_pages"]))), "some pages belong to nobody"


def test_full_pages_with_the_same_content_are_shared():
    x = realise(Case(Problem(2, 2, 1, 1, 20, 4, 4, key_lengths=(20, 17)), layouts=dict.fromkeys("kv", "repeated_batch")))
    the_form, pages = form("paged"), Pages(8, 1, 2, True, "0", 0)
    table = the_form.in_pages(x, call(x), pages).options["block_table"]
    assert table[0, :2].tolist() == table[1, :2].tolist() and table[0, 2] != table[1, 2], "the last pages are not full"
    apart = the_form.in_pages(x, call(x), replace(pages, shared=False)).options["block_table"]
    assert len(set(apart.ravel().tolist())) == 6


@pytest.mark.parametrize(("safe", "poisoned"), [(False, ""), (True, "kv"), ("keys", "k"), ("values", "v")])
def test_what_nobody_may_read_is_nan_where_that_is_declared_safe(safe, poisoned):
    x, the_form = realise(RAGGED), form("paged", conventions=Conventions(masked_nan_safe=safe))
    asked = the_form.in_pages(x, call(x), Pages(16, 1, 2, False, "0", 1))
    for name in "kv":
        pages = asked.arrays[f"{name}_pages"]
        assert np.isnan(pages).any() == (name in poisoned)
        kept = sum(n * pages.shape[2] * pages.shape[3] for n in (9, 4))
        assert np.isnan(pages).sum() in (0, pages.size - kept)


def test_the_layout_hnd_has_heads_before_slots():
    x, _ = handed_over(form("paged"))
    pages = [form("paged", layout=layout).to_call(x, call(x)).arrays["k_pages"] for layout in ("nhd", "hnd")]
    assert np.array_equal(pages[0], pages[1].swapaxes(1, 2)) and pages[1].flags.c_contiguous


def test_inputs_with_other_numbers_lie_alike():
    _, asked = handed_over(form("paged"))
    _, other = handed_over(form("paged"), replace(RAGGED, seed=3))
    assert np.array_equal(asked.options["block_table"], other.options["block_table"])
    assert {Pages.drawn(realise(RAGGED.with_problem(key_lengths=(n, 4, 0)))).size for n in range(10)} > {1, 2}


@pytest.mark.parametrize(("name", "metadata"), [("packed", ()), ("paged", (*TABLE, "cu_seqlens_q")), ("paged", LIST)])
def test_every_change_of_metadata_changes_it(name, metadata):
    _, asked = handed_over(form(name, metadata))
    for changes in (SAME, NOTHING):
        for what, other in changed(asked, changes):
            assert other.options.keys() == asked.options.keys() and other.arrays is asked.arrays
            different = [n for n, a in asked.options.items() if isinstance(a, np.ndarray) and other.options[n] is not a]
            assert len(different) == 1 and what.startswith(different[0])


def test_of_all_metadata_together_there_are_twenty_mutations():
    everything = [("packed", (*FORMS["packed"].usual, "seqused_k")), ("paged", (*TABLE, *LIST, "cu_seqlens_q"))]
    names = {what for name, metadata in everything for what, _ in changed(handed_over(form(name, metadata))[1], NOTHING)}
    assert len(names) >= 20


APPENDED = ("block_table", "seqused_k", "k_new", "v_new", "cu_seqlens_k_new")


@pytest.mark.parametrize("new", NEW)
@pytest.mark.parametrize("size", [1, 2, 8])
def test_new_keys_are_handed_over_beside_the_pages_and_stand_in_them_afterwards(new, size):
    x, the_form = realise(RAGGED), form("cache_append", APPENDED)
    pages = replace(Pages.drawn(x), size=size, new=new, poisoned=True)
    before, after = the_form.in_pages(x, call(x), pages), of_pages(the_form, x, pages)
    counts = np.diff(before.options["cu_seqlens_k_new"])
    assert (counts <= [9, 4, 0]).all() and (before.options["seqused_k"] + counts == [9, 4, 0]).all()
    assert new not in ("none", "all") or counts.tolist() == {"none": [0, 0, 0], "all": [9, 4, 0]}[new]
    written = before.arrays["k_pages"].copy()
    for entry, n in enumerate(counts):
        for key in range(9)[before.options["seqused_k"][entry] :][:n]:
            place = before.options["block_table"][entry, key // size], key % size
            assert (written[place] != after["k_pages"][place]).all(), "nothing of it is there before the call"
            written[place] = x.k[entry, :, key]
    assert np.array_equal(written, after["k_pages"], equal_nan=True)
    assert len(before.options["v_new"]) == counts.sum()


def of_pages(the_form, x, pages):
    the_form.drawn = lambda _: pages
    return the_form.left_behind(x, call(x))


def test_a_page_for_a_new_key_is_nobody_elses():
    x = realise(Case(Problem(3, 1, 1, 2, 8, 4, 4), layouts=dict.fromkeys("kv", "repeated_batch")))
    the_form = form("cache_append", APPENDED)
    for new in NEW:
        asked = the_form.in_pages(x, call(x), replace(Pages.drawn(x), size=2, new=new, shared=True))
        table, before = asked.options["block_table"][:, :4], asked.options["seqused_k"]
        own = np.concatenate([row[n // 2 :] for row, n in zip(table, before, strict=True)])
        assert len(set(own.tolist())) == len(own) and (not before[0] // 2 or table[0, 0] == table[1, 0])


def test_entries_have_as_many_new_keys_where_their_array_has_padding():
    x, the_form = realise(RAGGED.with_problem(key_lengths=(9, 4, 6))), form("cache_append")
    asked = the_form.in_pages(x, call(x), replace(Pages.drawn(x), new="all"))
    assert asked.options["k_new"].shape == (3, 4, 2, 4) and asked.options["seqused_k"].tolist() == [5, 0, 2]
    assert np.array_equal(asked.options["k_new"][0], x.k[0, :, 5:9].swapaxes(0, 1))


def test_new_keys_of_no_numbers_are_as_many():
    x, the_form = realise(Case(Problem(2, 1, 1, 1, 3, 0, 4))), form("cache_append")
    assert the_form.in_pages(x, call(x), replace(Pages.drawn(x), new="all")).options["k_new"].shape == (2, 3, 1, 0)

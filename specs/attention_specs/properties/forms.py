"""Properties of calls without padding: entries that do not know of each other, pages in any order, and metadata that means nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from attention_specs.attention.inputs import Inputs
from attention_specs.attention.transform import take_batch
from attention_specs.judge import VACUOUS, Verdict, holds, identical
from attention_specs.properties.relations import unchanged
from attention_specs.property import Attend, property_

RAGGED = ("packed", "paged", "cache_append")
IN_PAGES = RAGGED[1:]


def _asks(x: Inputs) -> bool:
    return 0 not in (*x.output_shape, x.k.shape[2])


def _has_lengths(x: Inputs) -> bool:
    return x.q.shape[0] > 1 and x.past is None and _asks(x)


@property_("F1", form=RAGGED, needs=_has_lengths, needs_new_oracle=True)
def a_batch_is_each_entry_alone(attend: Attend, x: Inputs) -> Verdict:
    """out(x)[b] = out(x[b]) for the first entry, the last one and one between, each with its own lengths (C33)."""
    entries = sorted({0, x.q.shape[0] // 2, x.q.shape[0] - 1})
    got = attend(x).copy()
    for entry in entries:
        got[entry] = attend(take_batch(x, [entry]))[0]
    return unchanged(
        attend, x, got, f"out, entries {', '.join(map(str, entries))} alone", bool(attend.declared("batch_invariant"))
    )


@property_("F2", form=RAGGED, needs=_has_lengths, needs_new_oracle=True)
def an_empty_entry_leaves_the_others_alone(attend: Attend, x: Inputs) -> Verdict:
    """An entry without queries and keys, put in front, between or behind, changes nothing elsewhere (C32)."""
    verdict, batch = VACUOUS, x.q.shape[0]
    for place in sorted({0, batch // 2, batch}):
        order = np.insert(np.arange(batch), place, 0)
        others = np.delete(np.arange(batch + 1), place)
        got = attend(_emptied(take_batch(x, order), place))[others]
        verdict &= unchanged(attend, x, got, f"out beside an empty entry {place}", bool(attend.declared("batch_invariant")))
    return verdict


def _emptied(x: Inputs, entry: int) -> Inputs:
    """The same call with an entry of no queries and no keys."""
    lengths = {}
    for name, longest in (("query_lengths", x.q.shape[2]), ("key_lengths", x.k.shape[2])):
        given = getattr(x, name)
        lengths[name] = np.full(x.q.shape[0], longest) if given is None else given.copy()
        lengths[name][entry] = 0
    return x.replace(**lengths)


def _alike(attend: Attend, x: Inputs, kind: str, exact: bool) -> Verdict:
    """The verdict on all other ways of this kind to hand over the same inputs."""
    verdict = VACUOUS
    for what, got in attend.otherwise(x, kind):
        verdict &= unchanged(attend, x, got, f"out, {what}", exact)
    return verdict


@property_("F3", form=IN_PAGES, needs=_asks)
def the_order_of_pages_does_not_matter(attend: Attend, x: Inputs) -> Verdict:
    """The same pages under other numbers give the same, bit for bit (C41)."""
    return _alike(attend, x, "order", exact=True)


@property_("F4", form=IN_PAGES, needs=_asks, needs_recompile=True)
def the_size_of_pages_does_not_matter(attend: Attend, x: Inputs) -> Verdict:
    """The same keys in pages of other sizes give the same, to within the bounds (C41)."""
    return _alike(attend, x, "size", exact=False)


@property_("F5", form=IN_PAGES, needs=_asks, needs_recompile=True)
def what_nobody_may_read_does_not_matter(attend: Attend, x: Inputs) -> Verdict:
    """Other numbers in slots behind the lengths, in pages that nobody has and behind the pages of a table change nothing (C15, C41)."""
    return _alike(attend, x, "unused", exact=True)


@property_("F6", form=IN_PAGES, needs=lambda x: x.q.shape[0] > 1 and _asks(x), needs_recompile=True, every_other_case=True)
def a_shared_page_is_a_copied_page(attend: Attend, x: Inputs) -> Verdict:
    """Entries that begin alike may have their first pages in common (C41)."""
    alike = x.replace(k=np.repeat(x.k[:1], x.k.shape[0], axis=0), v=np.repeat(x.v[:1], x.v.shape[0], axis=0))
    return _alike(attend, alike, "shared", exact=True)


@property_("F7", form=RAGGED, needs=_asks, needs_recompile=True, every_other_case=True)
def metadata_is_refused_or_the_answer_is_right(attend: Attend, x: Inputs) -> Verdict:
    """Metadata in other dtypes and strides says the same. Where `checks_shapes` is declared, metadata that means nothing raises (C36)."""
    verdict = VACUOUS
    for what, got in _answered(attend, x):
        verdict &= unchanged(attend, x, got, f"out, {what}")
    return verdict


def _answered(attend: Attend, x: Inputs) -> Iterator[tuple[str, np.ndarray]]:
    """The changes of metadata that are answered, with the outputs."""
    yield from attend.otherwise(x, "metadata")
    if attend.declared("checks_shapes"):
        yield from attend.otherwise(x, "nonsense")


@property_("F8", form=RAGGED, needs=_asks, every_other_case=True)
def nothing_beyond_an_array_is_touched(attend: Attend, x: Inputs) -> Verdict:
    """No call reads or writes in front of an array or behind it, where the memory there is protected (C41, C12)."""
    touched = attend.beyond_its_arrays(x)
    return VACUOUS if touched is None else holds(not touched, touched)


@property_("F9", form=("cache_append",))
def new_keys_stand_in_their_slots(attend: Attend, x: Inputs) -> Verdict:
    """The call leaves each new key and value in the slot behind the older ones, and every other slot as it was, bit for bit (C31)."""
    verdict = VACUOUS
    for name, got, wanted in attend.left_behind(x):
        same_kind = holds(got.dtype == wanted.dtype, f"dtype of {name}={got.dtype.name}, but should be {wanted.dtype.name}")
        verdict &= same_kind & identical(got, wanted, f"{name} after the call")
    return verdict


@property_("F10", form=("cache_append",), needs=_asks, needs_recompile=True)
def appending_then_attending_is_attending_to_the_whole(attend: Attend, x: Inputs) -> Verdict:
    """However many of the keys come with the call, and however many lie in the pages before it, the output is the same (C31, C41)."""
    return _alike(attend, x, "new", exact=False)

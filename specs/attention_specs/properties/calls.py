"""Properties of calls as such: in two threads, of sizes that do not fit together, and in parts with a cache between them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from attention_specs.attention.inputs import Inputs
from attention_specs.attention.transform import contiguous
from attention_specs.judge import VACUOUS, Verdict, holds, identical
from attention_specs.properties.relations import unchanged
from attention_specs.properties.weights import asks
from attention_specs.property import Attend, property_

LONG_ENOUGH = 9
"""Keys: shorter calls are over before another thread can meet them."""


@property_("P11", needs_new_oracle=True, needs=lambda x: asks(x) and x.k.shape[2] >= LONG_ENOUGH)
def two_threads_at_once_are_one_after_the_other(attend: Attend, x: Inputs) -> Verdict:
    """A call gives the same while another thread makes one of the same shapes (C30; C35: buffers that calls share)."""
    if not attend.declared("thread_safe"):
        return VACUOUS
    other = x.replace(q=-x.q, v=x.v[..., ::-1])
    got, alone = attend.beside(x, other), attend(x)
    return (
        identical(got, alone, "out beside another thread", attend.expected(x).specified)
        if attend.declared("deterministic")
        else unchanged(attend, x, got, "out")
    )


@property_("P12", needs_new_oracle=True, needs=lambda x: asks(x) and min(x.q.shape[3], x.k.shape[2]) > 1)
def sizes_that_do_not_fit_are_refused(attend: Attend, x: Inputs) -> Verdict:
    """Where `checks_shapes` is declared, calls that mean nothing raise instead of computing something (C36: torch-kv-len-mismatch)."""
    if not attend.declared("checks_shapes"):
        return VACUOUS
    answered = [name for name, y in misfits(_plain(x)) if not attend.refusal(y)]
    return holds(not answered, f"answered calls={'; '.join(answered)}, but should be none")


def _plain(x: Inputs) -> Inputs:
    return contiguous(Inputs(x.q, x.k, x.v))


def misfits(x: Inputs) -> Iterator[tuple[str, Inputs]]:
    """Calls with one size that does not fit the others."""
    n, heads = x.k.shape[2], x.q.shape[1]
    yield f"Lk={n} for k, {n - 1} for v", x.replace(v=x.v[:, :, :-1])
    yield f"Lk={n - 1} for k, {n} for v", x.replace(k=x.k[:, :, :-1])
    yield f"D={x.q.shape[3]} for q, {x.q.shape[3] - 1} for k", x.replace(k=x.k[..., :-1])
    more = [np.repeat(a[:, :1], heads + 1, axis=1) for a in (x.k, x.v)]
    yield f"Hq={heads}, Hkv={heads + 1}", x.replace(k=more[0], v=more[1])
    if x.k.shape[1] > 1:  # one head, or one entry, may be meant to broadcast
        yield f"Hkv={x.k.shape[1]} for k, {heads + 1} for v", x.replace(v=more[1])  # fewer may be groups of their own
    if x.q.shape[0] > 1:
        more = [np.concatenate([a, a[:1]]) for a in (x.k, x.v)]
        yield f"B={x.q.shape[0]} for q, {x.q.shape[0] + 1} for k and v", x.replace(k=more[0], v=more[1])
    mask = np.ones((1, 1, x.q.shape[2] + 1, x.k.shape[2] + 1), bool)
    yield f"mask for Lq={mask.shape[2]}, Lk={mask.shape[3]}", x.replace(mask=mask)


@property_("P18", every_other_case=True, needs_recompile=True, needs=asks, about="operator")
def an_operator_passes_the_check_of_its_framework(attend: Attend, x: Inputs) -> Verdict:
    """An operator does as its schema and its registrations say: what torch.library.opcheck tests (C34; C35)."""
    complaint = attend.operator_complaint(x)
    return holds(not complaint, f"opcheck={complaint}, but should be without a complaint")


@property_("P13", needs_new_oracle=True, options=("past_k", "past_v"), needs=lambda x: x.past is not None and asks(x))
def keys_of_a_cache_are_keys(attend: Attend, x: Inputs) -> Verdict:
    """Keys and values that are handed over apart count like the others, and queries stand behind them (C04: onnx-ref-causal-past)."""
    return unchanged(attend, x, attend(x.with_explicit_mask()), "out, cache joined with the keys")


def _fits(x: Inputs) -> bool:
    """Whether it is causal, and each of several queries has a key of its own place."""
    return x.is_causal and 1 < x.q.shape[2] <= x.k.shape[2] - (x.past or 0) and asks(x)


@property_("P14", needs_new_oracle=True, options=("past_k", "past_v"), needs=_fits)
def prefill_in_chunks_gives_the_whole(attend: Attend, x: Inputs) -> Verdict:
    """Queries in two parts, the first part's keys as the cache of the second, give what they give at once (C04, C31)."""
    n, stop = x.q.shape[2], x.q.shape[2] // 2 + 1
    if x.window and x.window_alignment != x.causal_alignment:
        return VACUOUS  # a part that ends where its causality does would move its window
    if x.causal_alignment == "bottom-right" and not (x.query_lengths is None and x.key_lengths is None):
        return VACUOUS  # each entry would need a cache of its own length
    parts = [attend(_chunk(x, first, last)) for first, last in ((0, stop), (stop, n)) if first < last]
    return unchanged(attend, x, np.concatenate(parts, axis=2), f"out in chunks of {stop} and {n - stop} queries")


def _chunk(x: Inputs, first: int, last: int) -> Inputs:
    """Queries first to last, with the keys up to the last one's position; keys before the first are the cache."""
    shift = int(x.causal_shift.max())
    past, keys = shift + first, shift + last
    mask, bias = (None if a is None else np.broadcast_to(a, x.score_shape)[:, :, first:last, :keys] for a in (x.mask, x.bias))
    queries = None if x.query_lengths is None else np.clip(x.query_lengths - first, 0, last - first)
    lengths = None if x.key_lengths is None else np.minimum(x.key_lengths, keys)
    q, k, v = x.q[:, :, first:last], x.k[:, :, :keys], x.v[:, :, :keys]
    return x.replace(q=q, k=k, v=v, mask=mask, bias=bias, past=past, query_lengths=queries, key_lengths=lengths)

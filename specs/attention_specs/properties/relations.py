"""Properties that compare an answer with another answer of the same implementation: changes that must not matter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from attention_specs.attention.inputs import Inputs
from attention_specs.attention.oracle import default_scale
from attention_specs.attention.transform import (
    contiguous,
    elsewhere,
    is_strided,
    mixed,
    only_query,
    query_heads_of,
    take_batch,
    take_key_heads,
    take_keys,
    take_queries,
)
from attention_specs.formats import is_narrow, smallest_normal
from attention_specs.judge import VACUOUS, Bound, Side, Verdict, error_ratios, identical, which_is_off, within
from attention_specs.property import Attend, property_


def comparable_rows(attend: Attend, x: Inputs) -> np.ndarray:
    """Bool [B, Hq, Lq]: rows on which two answers can be compared: all, or those that see a key if empty rows give something else."""
    if attend.declared("zeros_in_empty_rows"):
        return np.ones(x.score_shape[:3], bool)
    seeing: np.ndarray = ~attend.expected(x).exact.empty
    return seeing


def either_right(attend: Attend, x: Inputs, *answers: np.ndarray) -> np.ndarray:
    """Bool [B, Hq, Lq]: rows in which one of the answers agrees with the oracle.

    The bound of a relation belongs to the right answer: between two wrong ones it has no meaning, and P4 reports these.
    """
    expected = attend.expected(x)
    right = [(error_ratios(answer, expected.out, expected.bounds.out) <= 1).all(-1) for answer in answers]
    return np.logical_or.reduce(right)


def unchanged(attend: Attend, x: Inputs, got: np.ndarray, what: str, exact: bool = False) -> Verdict:
    """`got` is the answer to x, bit for bit if exact, else to within the bounds of two right answers."""
    rows, out = comparable_rows(attend, x), attend(x)
    if got.shape != out.shape:
        return within(got, out, 0.0, what)
    if exact and attend.declared("deterministic"):
        return verdict_by_side(attend, x, identical(got, out, what, rows), got, out, what)

    def bound() -> np.ndarray:
        twice: np.ndarray = 2 * attend.expected(x).bounds.out
        return twice

    verdict = between(got, out, bound, what, rows, lambda: either_right(attend, x, got, out))
    return verdict_by_side(attend, x, verdict, got, out, what)


def verdict_by_side(
    attend: Attend, x: Inputs, verdict: Verdict, got: np.ndarray, out: np.ndarray, what: str, y: Inputs | None = None
) -> Verdict:
    """The verdict on a failed relation by the side that is wrong: `got` as the answer to y, or to x, or `out` as that to x."""
    if verdict.holds:
        return verdict
    again, first = attend.expected(x if y is None else y), attend.expected(x)
    why = "row sees no key" if verdict.where and first.exact.empty[verdict.where[:-1]] else ""
    asked_again, asked_first = Side(what, got, again.out, again.out_bound), Side("out", out, first.out, first.out_bound)
    return which_is_off(verdict, asked_again, asked_first, why)


def between(
    got: np.ndarray, wanted: np.ndarray, bound: Bound, what: str, rows: np.ndarray, meaningful: Callable[[], np.ndarray]
) -> Verdict:
    """The verdict on two answers in rows where the bound is `meaningful`, which is asked only if they differ."""
    verdict = within(got, wanted, bound, what, rows)
    return verdict if verdict.holds else within(got, wanted, bound, what, rows & meaningful())


@property_("R1", needs=lambda x: x.q.shape[0] > 1)
def permuting_the_batch_permutes_the_output(attend: Attend, x: Inputs) -> Verdict:
    """Batch entries do not know their place (C09: torch-mps-mask-partial-broadcast; C40: coreml-batch10)."""
    order = mixed(x.q.shape[0])
    back = np.argsort(order)
    return unchanged(
        attend, x, attend(take_batch(x, order))[back], "out, batch permuted", bool(attend.declared("batch_invariant"))
    )


@property_("R2", needs_new_oracle=True, needs=lambda x: x.q.shape[0] > 1)
def a_batch_entry_is_the_same_alone(attend: Attend, x: Inputs) -> Verdict:
    """A batch entry gives the same by itself (C31: pegainfer-batch-path; C19: mlx-batched-vector-strides)."""
    last = x.q.shape[0] - 1
    got = attend(x).copy()
    got[last] = attend(take_batch(x, [last]))[0]
    return unchanged(attend, x, got, "out, last batch entry alone", bool(attend.declared("batch_invariant")))


@property_("R3", every_other_case=True, needs=lambda x: x.k.shape[1] > 1)
def permuting_the_heads_permutes_the_output(attend: Attend, x: Inputs) -> Verdict:
    """Key heads with their groups do not know their place (C10: onnx-gqa-tile, ort-gqa-cpu; C11; C26: fa4-lse-dpsum-index)."""
    order = mixed(x.k.shape[1])
    back = np.argsort(query_heads_of(x, order))
    return unchanged(attend, x, attend(take_key_heads(x, order))[:, back], "out, heads permuted")


@property_("R4", needs_new_oracle=True, needs=lambda x: x.group > 1)
def grouped_heads_are_repeated_heads(attend: Attend, x: Inputs) -> Verdict:
    """Query head h reads key head h // group: repeating keys and values says the same (C10)."""
    repeated = x.replace(k=np.repeat(x.k, x.group, axis=1), v=np.repeat(x.v, x.group, axis=1))
    return unchanged(attend, x, attend(repeated), "out, key heads repeated")


@property_("R5", every_other_case=True, needs=lambda x: x.q.shape[2] > 1)
def query_rows_are_independent(attend: Attend, x: Inputs) -> Verdict:
    """A row does not depend on the other queries: those are replaced (C13, C18: mlx-sinks-s1, C26)."""
    row = x.q.shape[2] // 2
    others = np.arange(x.q.shape[2]) != row
    q = np.where(others[:, None], (3 * x.q[:, :, ::-1].astype(np.float64)).astype(x.q.dtype), x.q)
    got = attend(x).copy()
    got[:, :, row] = attend(x.replace(q=q))[:, :, row]
    return unchanged(attend, x, got, f"out, all queries but {row} replaced")


@property_("R6", needs_new_oracle=True, needs=lambda x: x.q.shape[2] > 1)
def a_query_row_is_the_same_alone(attend: Attend, x: Inputs) -> Verdict:
    """A row gives the same by itself: decoding one token equals the last row of the whole (C04: ort-causal-lq1-bottom-right; C31)."""
    last = x.q.shape[2] - 1
    got = attend(x).copy()
    got[:, :, last] = attend(take_queries(x, [last]))[:, :, 0]
    return unchanged(attend, x, got, "out, last query alone")


@property_("R7", needs=lambda x: x.k.shape[2] > 1)
def permuting_the_keys_changes_nothing(attend: Attend, x: Inputs) -> Verdict:
    """Keys are a set: with values, mask and bias they may come in any order (C12: triton-tutorial-tail; C13; C16)."""
    return unchanged(attend, x, attend(take_keys(x, mixed(x.k.shape[2]))), "out, keys permuted")


@property_("R8", every_other_case=True, needs=lambda x: x.q.shape[3] > 1)
def permuting_the_channels_changes_nothing(attend: Attend, x: Inputs) -> Verdict:
    """A score is a sum over channels, in any order (C22: triton-hd64-hardcoded; C19: torch-cpu-flash-innermost)."""
    order = mixed(x.q.shape[3])
    return unchanged(attend, x, attend(x.replace(q=x.q[..., order], k=x.k[..., order])), "out, channels of q and k permuted")


@property_("R9", every_other_case=True, needs=lambda x: x.v.shape[3] > 1)
def permuting_the_value_columns_permutes_the_output(attend: Attend, x: Inputs) -> Verdict:
    """Output columns do not know each other (C21: jax-splash-vdim, torch-mps-vdim)."""
    order = mixed(x.v.shape[3])
    return unchanged(attend, x, attend(x.replace(v=x.v[..., order]))[..., np.argsort(order)], "out, value columns permuted")


@property_("R10", every_other_case=True, needs=lambda x: 0 not in x.output_shape)
def memory_layout_does_not_matter(attend: Attend, x: Inputs) -> Verdict:
    """Strided, broadcast, reversed, offset and read-only inputs give what their contiguous copies give (C19, C20)."""
    if is_strided(x):
        return unchanged(attend, x, attend(contiguous(x)), "out, inputs contiguous")
    return unchanged(attend, x, attend(elsewhere(x)), "out, inputs elsewhere in memory")


@property_("R11", every_other_case=True, needs=lambda x: not is_narrow(x.dtype))
def doubling_the_values_doubles_the_output(attend: Attend, x: Inputs) -> Verdict:
    """Linearity in V, exact for a power of two but for products that underflow (C24: values clipped or rounded on the way)."""
    x = contiguous(x)
    with np.errstate(over="ignore"):
        doubled = (x.v * 2).astype(x.v.dtype)
    if not (_far_from_the_ends(x.v) and _far_from_the_ends(doubled) and _kept(x, "v", doubled)):
        return VACUOUS
    got = attend(x.replace(v=doubled))
    half, what = (got / 2).astype(got.dtype), "out of doubled values, halved"
    if not attend.declared("deterministic"):
        return unchanged(attend, x, half, what)
    lost = x.k.shape[2] * smallest_normal(attend.accumulator(x)) * np.abs(x.v.astype(np.float64)).max(initial=0)
    verdict = within(half, attend(x), lost, what, comparable_rows(attend, x))
    return verdict_by_side(attend, x, verdict, half, attend(x), what)


def _kept(x: Inputs, name: str, a: np.ndarray) -> bool:
    """Whether numbers in the place of this array are handed over as they are."""
    return x.storage is None or name not in x.storage.arrays or x.storage.keeps(a)


def _far_from_the_ends(a: np.ndarray) -> bool:
    """No entry so large or small that rounding could differ after doubling: weights down to 2^-60 stay normal."""
    size = np.abs(a.astype(np.float64))
    return bool(np.all((size == 0) | ((size > 2.0**-60) & (size < 2.0**60))))


@property_("R12", needs_new_oracle=True, needs=lambda x: x.q.shape[3] > 0 and not is_narrow(x.dtype))
def scale_folds_into_the_query(attend: Attend, x: Inputs) -> Verdict:
    """Twice the scale with half the query is the same (C23: inductor-scale-ignored; C35: torch-mps-scale-cache)."""
    if not (_far_from_the_ends(x.q) and _kept(x, "q", x.q / 2)):
        return VACUOUS
    scale = 2.0 * float(default_scale(x))
    return unchanged(attend, x, attend(x.replace(q=(x.q / 2).astype(x.q.dtype), scale=scale)), "out, scale doubled and q halved")


@property_(
    "R13", needs_new_oracle=True, every_other_case=True, needs=lambda x: x.dtype in ("float32", "float64") and x.sinks is None
)
def shifting_all_scores_changes_nothing(attend: Attend, x: Inputs) -> Verdict:
    """A constant added to a row of scores cancels (C24: ft-softmax-nomax; C03: te-unfused-10000)."""
    rows = 100.0 * (1 + np.arange(x.q.shape[2]))[:, None] % 1000
    bias = (rows if x.bias is None else x.bias + rows).astype(x.q.dtype)
    shifted = x.replace(bias=np.broadcast_to(bias, (*bias.shape[:-1], x.k.shape[2])).copy())
    return both(attend, x, shifted, "out, scores of each row shifted")


def both(attend: Attend, x: Inputs, y: Inputs, what: str) -> Verdict:
    """The answers to x and y agree to within the sum of their bounds."""
    rows = comparable_rows(attend, x)

    def bound() -> np.ndarray:
        joined: np.ndarray = attend.expected(x).bounds.out + attend.expected(y).bounds.out
        return joined

    verdict = between(attend(y), attend(x), bound, what, rows, lambda: either_right(attend, x, attend(y), attend(x)))
    return verdict_by_side(attend, x, verdict, attend(y), attend(x), what, y)


@property_("R14", needs_new_oracle=True, needs=lambda x: 1 <= x.k.shape[2] <= 64 and x.sinks is None)
def doubling_every_key_changes_nothing(attend: Attend, x: Inputs) -> Verdict:
    """Each key twice gives each weight twice at half its size (C12, C13, C16: any split of the keys)."""
    return both(attend, x, take_keys(x, np.repeat(np.arange(x.k.shape[2]), 2)), "out, every key doubled")


@property_("R15", needs_new_oracle=True, every_other_case=True)
def calls_in_between_change_nothing(attend: Attend, x: Inputs) -> Verdict:
    """After other calls of the same shapes with other values and options, a call gives what it gave (C35: torch-mps-scale-cache; C30)."""
    first = attend(x)
    attend(x.replace(q=-x.q, v=x.v[..., ::-1], scale=0.25 if x.scale is None else None))
    if not attend.declared("deterministic"):
        return VACUOUS
    later, what, rows = attend.again(x), "out after other calls", attend.expected(x).specified
    return verdict_by_side(attend, x, identical(later, first, what, rows), later, first, what)


@property_("R16", needs_new_oracle=True, needs=lambda x: x.q.shape[2] > 1)
def the_first_query_is_the_same_alone(attend: Attend, x: Inputs) -> Verdict:
    """The first row by itself, under the same rules, is the first of the whole (C04: ort-causal-lq1-bottom-right; C31).

    Where rules count from the end it is the last row, which alone is the last still.
    """
    alignments = {x.causal_alignment} if x.is_causal else set()
    alignments |= {x.window_alignment} if x.window else set()
    if len(alignments) > 1:
        return VACUOUS
    row = x.q.shape[2] - 1 if "bottom-right" in alignments else 0
    got = attend(x).copy()
    got[:, :, row] = attend(only_query(x, row))[:, :, 0]
    return unchanged(attend, x, got, f"out, query {row} alone")

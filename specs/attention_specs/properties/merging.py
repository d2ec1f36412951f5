"""Properties of a merge: J1 to J6 of each answer, J7 on of answers that must be equal, J12 and J13 of many parts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial, reduce

import numpy as np

from attention_specs.attention.inputs import Inputs
from attention_specs.attention.oracle import Reference, attention
from attention_specs.judge import VACUOUS, Verdict, holds, identical, within
from attention_specs.merge.bounds import Inherited, MergeBounds
from attention_specs.merge.inputs import ARRAYS, MergeInputs
from attention_specs.merge.oracle import merge as right
from attention_specs.property import Attend, property_

SPEC = "merge"


def _says_something(x: MergeInputs) -> bool:
    return 0 not in x.output_shape


def _some_empty(x: MergeInputs) -> bool:
    return _says_something(x) and not x.visible().any(-1).all()


@property_("J1", spec=SPEC)
def merge_answers_every_problem(attend: Attend, x: MergeInputs) -> Verdict:
    """Any two parts get an answer, also of size 0 (C32)."""
    attend.side_effects(x)
    return holds(True, "")


@property_("J2", spec=SPEC)
def merge_has_the_shapes_and_dtypes_of_its_parts(attend: Attend, x: MergeInputs) -> Verdict:
    """The output has the dtype of the outputs, the log-sum-exp that of the log-sum-exps (C25)."""
    out, lse = attend(x), attend.extra(x, "lse")
    verdict = holds(out.dtype == x.out_a.dtype, f"dtype of out={out.dtype.name}, but should be {x.dtype}")
    return verdict & holds(
        lse.dtype == x.lse_a.dtype, f"dtype of lse={lse.dtype.name}, but should be that of lse_a, {x.lse_a.dtype.name}"
    )


@property_("J3", spec=SPEC)
def merge_leaves_its_parts_alone(attend: Attend, x: MergeInputs) -> Verdict:
    """No part is written to, and the output is not a view of one: parts are merged again in another order (C34)."""
    effects = attend.side_effects(x)
    changed = holds(not effects.changed, f"changed inputs={', '.join(effects.changed)}, but should be none")
    return changed & holds(
        not effects.aliased, f"inputs sharing memory with out={', '.join(effects.aliased)}, but should be none"
    )


@property_("J4", spec=SPEC, needs=_says_something)
def merge_agrees_with_the_oracle(attend: Attend, x: MergeInputs) -> Verdict:
    """Each output element is within the derived bound of the weighted mean (C16: fa2-splitkv-empty; C17: vllm-lse-base)."""
    expected = attend.expected(x)
    return within(attend(x), expected.out, expected.bounds.out, "out", ~expected.exact.empty)


@property_("J5", spec=SPEC, needs=_says_something)
def merged_lse_agrees_with_the_oracle(attend: Attend, x: MergeInputs) -> Verdict:
    """The log-sum-exp is that of both parts together, in the declared base; -inf of two empty parts (C16, C17)."""
    expected = attend.expected(x)
    return within(attend.extra(x, "lse"), expected.lse, expected.lse_bound, "lse")


@property_("J6", spec=SPEC, needs=_some_empty)
def two_empty_parts_follow_the_declaration(attend: Attend, x: MergeInputs) -> Verdict:
    """Where neither part has keys the output is what was declared, zeros by default: -inf less -inf is NaN (C02, C16)."""
    expected = attend.expected(x)
    rows = expected.exact.empty & expected.specified
    return within(attend(x), expected.out, 0.0, "out", rows, "both parts are empty") if rows.any() else VACUOUS


def _unchanged(attend: Attend, x: MergeInputs, got: tuple[np.ndarray, np.ndarray], what: str) -> Verdict:
    """The output and lse that were got are those of x, to within the bounds of two right answers."""
    expected = attend.expected(x)
    verdict = within(got[0], attend(x), lambda: 2 * expected.bounds.out, f"out {what}", expected.specified)
    return verdict & within(got[1], attend.extra(x, "lse"), lambda: 2 * expected.lse_bound, f"lse {what}")


def _both(attend: Attend, x: MergeInputs) -> tuple[np.ndarray, np.ndarray]:
    return attend.out_beside(x, "lse"), attend.extra(x, "lse")


@property_("J7", spec=SPEC, needs=_says_something)
def an_empty_part_changes_nothing(attend: Attend, x: MergeInputs) -> Verdict:
    """Merged with a part of lse -inf, either way, a part is what it was, whatever finite numbers that part holds (C02, C16)."""
    verdict, nothing = holds(True, ""), np.full_like(x.lse_a, -np.inf)
    garbage = np.broadcast_to(np.array(7.0).astype(x.out_a.dtype), x.output_shape).copy()
    for y in (x.replace(out_a=garbage, lse_a=nothing), x.replace(out_b=garbage, lse_b=nothing)):
        expected = attend.expected(y)
        out, lse = _both(attend, y)
        what = "of a part and an empty one"
        verdict &= within(out, expected.out, expected.bounds.out, f"out {what}", ~expected.exact.empty)
        verdict &= within(lse, expected.lse, expected.lse_bound, f"lse {what}")
    return verdict


@property_("J8", spec=SPEC, needs=_says_something)
def the_parts_may_change_places(attend: Attend, x: MergeInputs) -> Verdict:
    """merge(a, b) = merge(b, a) (C16: a maximum that is taken of one part)."""
    exchanged = dict(zip(ARRAYS, (x.out_b, x.lse_b, x.out_a, x.lse_a), strict=True))
    return _unchanged(attend, x, _both(attend, x.replace(**exchanged)), "of the parts exchanged")


SHIFT, STEP = 128, 2.0**-8
"""Added to both log-sum-exps, of which no exponential in float32 is finite then, and the digits that these keep beside it."""


def _shifted(x: MergeInputs, shift: int) -> MergeInputs:
    """The call with both log-sum-exps rounded to whole steps, and so much more, exactly."""
    lses = {name: np.round(getattr(x, name) / STEP) * STEP + shift for name in ("lse_a", "lse_b")}
    return x.replace(**{name: lse.astype(x.lse_a.dtype) for name, lse in lses.items()})


@property_("J9", spec=SPEC, needs_new_oracle=True, needs=_says_something)
def a_common_shift_of_the_lse_leaves_the_output(attend: Attend, x: MergeInputs) -> Verdict:
    """128 more in both log-sum-exps is 128 more in the result, and changes no weight (C16, C24)."""
    x, y = _shifted(x, 0), _shifted(x, SHIFT)
    expected, shifted = attend.expected(x), attend.expected(y)
    (out, lse), (plain, wanted) = _both(attend, y), _both(attend, x)
    bound = expected.bounds.out + shifted.bounds.out
    verdict = within(out, plain, bound, "out of a shifted lse", expected.specified)
    back, wide = lse.astype(expected.lse.dtype) - SHIFT, wanted.astype(expected.lse.dtype)
    return verdict & within(back, wide, expected.lse_bound + shifted.lse_bound, "lse of a shifted lse, shifted back")


@property_("J10", spec=SPEC, needs=_says_something)
def same_merge_twice_gives_the_same_bits(attend: Attend, x: MergeInputs) -> Verdict:
    """Repeating a call repeats its output (C30, C34: a buffer that is merged in place)."""
    if not attend.declared("deterministic"):
        return VACUOUS
    return identical(attend.again(x), attend(x), "out of the second call", attend.expected(x).specified)


@property_("J11", spec=SPEC, needs=lambda x: _says_something(x) and not x.visible().all())
def nan_of_an_empty_part_does_not_spread(attend: Attend, x: MergeInputs) -> Verdict:
    """Where it is declared safe, what an empty part holds has no influence, NaN included (C15)."""
    if attend.declared("masked_nan_safe") not in (True, "values"):
        return VACUOUS
    hidden = ~x.visible()[..., None]
    spoiled = {name: np.where(hidden[..., n, :], np.nan, getattr(x, name)) for n, name in enumerate(("out_a", "out_b"))}
    y = x.replace(**{name: a.astype(x.out_a.dtype) for name, a in spoiled.items()})
    return _unchanged(attend, x, _both(attend, y), "with NaN in an empty part")


@dataclass(frozen=True, eq=False)
class Part:
    """A part as it is held, and how far it may be from the exact one: the error of the output, and of the natural lse."""

    out: np.ndarray
    lse: np.ndarray
    out_error: np.ndarray
    lse_error: np.ndarray


def _joined(attend: Attend, like: MergeInputs, a: Part, b: Part) -> Part:
    """Both parts merged by the implementation, with the error that a right one may have made by then."""
    x = like.replace(out_a=a.out, lse_a=a.lse, out_b=b.out, lse_b=b.lse)
    inherited = Inherited(np.stack([a.out_error, b.out_error], 3), np.stack([a.lse_error, b.lse_error], -1))
    bounds = MergeBounds(x, right(x), attend.expected(like).bounds.u, inherited)
    out, lse = _both(attend, x)
    return Part(out, lse, bounds.out, bounds.lse)


def _trees(attend: Attend, like: MergeInputs, parts: Sequence[Part]) -> Iterator[tuple[str, Part]]:
    """The parts merged one after the other, from the last one on, each half by itself, and in another order."""
    join, half = partial(_joined, attend, like), len(parts) // 2
    yield "one after the other", reduce(join, parts)
    yield "from the last on", reduce(join, reversed(parts))
    yield "each half by itself", join(reduce(join, parts[:half]), reduce(join, parts[half:]))
    yield "in another order", reduce(join, [*parts[1::2], *parts[::2]])


def _whole(attend: Attend, like: MergeInputs, parts: Sequence[Part], out: np.ndarray, lse: np.ndarray) -> Verdict:
    """The parts in every tree make the exact output and natural lse; but for rows in which a merge may give anything but zeros."""
    verdict, empty = holds(True, ""), np.sum([np.isneginf(part.lse) for part in parts], 0)
    rows = ~np.isneginf(lse) & ((empty < 2) | bool(attend.declared("zeros_in_empty_rows")))
    for how, got in _trees(attend, like, parts):
        verdict &= within(got.out, out, got.out_error, f"out of {len(parts)} parts {how}", rows)
        verdict &= within(got.lse, lse / like.unit, got.lse_error / like.unit, f"lse of {len(parts)} parts {how}")
    return verdict


@property_("J12", spec=SPEC, every_other_case=True, needs=_says_something)
def any_order_and_any_tree_give_the_same(attend: Attend, x: MergeInputs) -> Verdict:
    """Three parts in any order and grouping are their weighted mean (C16: lse that is not carried on)."""
    third = x.out_a[..., ::-1].copy(), (x.lse_b - x.lse_b.dtype.type(1)).astype(x.lse_b.dtype)
    given = [(x.out_a, x.lse_a), (x.out_b, x.lse_b), third]
    parts = [Part(out, lse, np.zeros(out.shape), np.zeros(lse.shape)) for out, lse in given]
    exact = [right(x.replace(out_a=out, lse_a=lse, out_b=out, lse_b=np.full_like(lse, -np.inf))) for out, lse in given]
    out, lse = _mean(np.stack([one.out for one in exact]), np.stack([one.lse for one in exact]))
    return _whole(attend, x, parts, out, lse)


def _mean(outs: np.ndarray, lses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weighted mean of parts in the first axis, and its lse."""
    top = lses.max(0)
    shift = np.where(np.isneginf(top), 0, top)
    powers = np.exp(lses - shift)
    total = powers.sum(0)
    with np.errstate(divide="ignore"):
        lse = np.log(total) + shift
    return (powers[..., None] * outs).sum(0) / np.where(total == 0, 1, total)[..., None], lse


CUTS = (0, 1, 5, 5, 12)
"""Where the keys are split: one key, four, none, and seven."""


@property_("J13", spec=SPEC, every_other_case=True, needs=_says_something)
def parts_of_the_keys_give_the_whole_attention(attend: Attend, x: MergeInputs) -> Verdict:
    """An attention over each part of the keys, merged in any tree, is the attention over all of them (C16, C17)."""
    (batch, heads, length, columns), rng = x.output_shape, np.random.default_rng(x.out_a.size)
    shapes = ((length, 8), (CUTS[-1], 8), (CUTS[-1], columns))
    q, k, v = (rng.standard_normal((batch, heads, *shape)) for shape in shapes)
    whole = attention(Inputs(2 * q, k, v))
    cuts = itertools.pairwise(CUTS)
    parts = [_held(x, attention(Inputs(2 * q, k[:, :, first:last], v[:, :, first:last]))) for first, last in cuts]
    return _whole(attend, x, parts, whole.out, whole.lse)


def _held(like: MergeInputs, exact: Reference) -> Part:
    """An attention as its implementation would hand it over, rounded to the dtypes, and the error of that."""
    wanted, natural = exact.out, exact.lse
    out, lse = wanted.astype(like.out_a.dtype), (natural / like.unit).astype(like.lse_a.dtype)
    seen = ~np.isneginf(natural)
    lse_error = np.where(seen, np.abs(np.where(seen, lse, 0).astype(natural.dtype) * like.unit - np.where(seen, natural, 0)), 0)
    return Part(out, lse, np.abs(out.astype(wanted.dtype) - wanted).astype(np.float64), lse_error.astype(np.float64))

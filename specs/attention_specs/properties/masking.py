"""Properties of masks: hidden keys have no influence, and every form of a mask means the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from attention_specs.attention.inputs import Inputs
from attention_specs.attention.oracle import attention as right
from attention_specs.attention.transform import (
    contiguous,
    hidden_from,
    spare_rows,
    take_batch,
    take_keys,
    take_queries,
    with_garbage,
)
from attention_specs.judge import VACUOUS, Verdict, error_ratios, holds, place
from attention_specs.properties.relations import unchanged
from attention_specs.property import Attend, property_
from attention_specs.remembered import remembered


def _hides(x: Inputs) -> bool:
    return not x.visible().all() and 0 not in x.output_shape


ABSENT = {"is_causal": False}
"""The values of options that are not given, where that is not None."""
RULES = ("is_causal", "window", "query_lengths", "key_lengths")


def credited(ask: Callable[[Inputs], Verdict], attend: Attend, x: Inputs, *options: str) -> Verdict:
    """The verdict on x, for the credit of these options.

    If they change no right answer by more than the bound, an implementation that ignores them would pass. The verdict is then
    also that on equal scores and various values, by which they show best; if they do not show there, it is vacuous.
    """
    verdict = ask(x)
    if not verdict.holds or verdict.vacuous or _shows(attend, x, options):
        return verdict
    y = _telling(x)
    verdict &= ask(y)
    return verdict if not verdict.holds or _shows(attend, y, options) else VACUOUS


def _shows(attend: Attend, x: Inputs, options: tuple[str, ...]) -> bool:
    wanted = attend.expected(x)
    return bool((error_ratios(_right(_unhidden(x, options)), wanted.out, lambda: wanted.bounds.out) > 1).any())


@remembered
def _telling(x: Inputs) -> Inputs:
    """The same call with equal scores and various values."""
    return x.replace(q=np.zeros_like(x.q), v=_various(x.v), scale=None, softcap=None)


def _various(v: np.ndarray) -> np.ndarray:
    """Values from -7 to 7, another for each key nearby and otherwise in each column, in the shape and dtype of v."""
    keys, columns = np.ogrid[: v.shape[2], : v.shape[3]]
    return np.broadcast_to((5 * keys + 7 * columns + keys // 15) % 15 - 7, v.shape).astype(v.dtype)


@remembered
def _right(x: Inputs) -> np.ndarray:
    """The right answer."""
    return right(x).out


@property_("M1", every_other_case=True, needs=_hides)
def masked_keys_have_no_influence(attend: Attend, x: Inputs) -> Verdict:
    """What stands at a key that a query may not see changes nothing in its row, bit for bit (C01, C03, C05 to C09, C12, C14)."""
    verdict, x = VACUOUS, contiguous(x)
    for row in spare_rows(x):
        if hidden_from(x, row).any():
            got = attend(x).copy()
            got[:, :, row] = attend(with_garbage(x, hidden_from(x, row)))[:, :, row]
            verdict &= unchanged(attend, x, got, f"out, garbage hidden from query {row}", exact=True)
    return verdict


@property_(
    "M2",
    every_other_case=True,
    needs=lambda x: x.is_causal and 0 not in x.output_shape and x.k.shape[2] > 1 + x.causal_shift.min(),
)
def future_keys_have_no_influence(attend: Attend, x: Inputs) -> Verdict:
    """Under is_causal, keys behind the query's own place change nothing up to that query (C05, C13: torch-mps-causal-per-4)."""
    shift = x.causal_shift[..., 0]
    last = min(x.q.shape[2] // 2, max(x.k.shape[2] - 2 - int(shift.min()), 0))
    x, future = contiguous(x), np.broadcast_to(np.arange(x.k.shape[2]) > last + shift, x.k.shape[:3])
    if not future.any():
        return VACUOUS
    got = attend(x).copy()
    got[:, :, : last + 1] = attend(with_garbage(x, future))[:, :, : last + 1]
    return unchanged(attend, x, got, f"out up to query {last}, garbage in the future", exact=True)


@property_("M3", needs_new_oracle=True, needs=lambda x: x.mask is None and 0 not in x.output_shape)
def a_mask_that_hides_nothing_changes_nothing(attend: Attend, x: Inputs) -> Verdict:
    """All True is no mask (C05: jax-window-ignored; C07: openvino-bool-polarity; C33: hf-fa-cross-unpad)."""
    everything = np.ones((1, 1, x.q.shape[2], x.k.shape[2]), bool)
    return unchanged(attend, x, attend(x.replace(mask=everything)), "out, mask all True")


def _hidden_by(*options: str) -> Callable[[Inputs], bool]:
    """Whether these options hide anything that without them would be seen."""
    return lambda x: 0 not in x.output_shape and bool((_unhidden(x, options).visible() & ~x.visible()).any())


def _unhidden(x: Inputs, options: tuple[str, ...]) -> Inputs:
    """The same call without these options, the same object for the same options that are given."""
    return _without(x, tuple(name for name in options if getattr(x, name) is not ABSENT.get(name)))


@remembered
def _without(x: Inputs, options: tuple[str, ...]) -> Inputs:
    return x.replace(**{name: ABSENT.get(name) for name in options}) if options else x


@property_("M4", needs_new_oracle=True, needs=_hidden_by("mask"))
def a_boolean_mask_is_a_bias_of_minus_infinity(attend: Attend, x: Inputs) -> Verdict:
    """The same mask in boolean and in additive form means the same (C02: torch-sdpa-bool-float-zero-rows; C07; C08)."""
    assert x.mask is not None
    hidden = np.where(x.mask, 0.0, -np.inf)
    bias = (hidden if x.bias is None else hidden + x.bias.astype(np.float64)).astype(x.q.dtype)
    return credited(lambda y: on_visible_rows(attend, y, y.replace(mask=None, bias=bias), "out, mask as bias"), attend, x, "mask")


def on_visible_rows(attend: Attend, x: Inputs, y: Inputs, what: str) -> Verdict:
    """The verdict on the answers to x and y in rows that see a key; empty rows may differ between forms, and belong to P5."""
    got = np.where(attend.expected(x).exact.empty[..., None], attend(x), attend(y))
    return unchanged(attend, x, got, what)


@property_("M5", needs_new_oracle=True, needs=_hidden_by(*RULES))
def causal_window_and_lengths_are_masks(attend: Attend, x: Inputs) -> Verdict:
    """is_causal, window and lengths mean the mask that they describe (C04, C05, C06, C14: hf-swa-off-by-one; C33)."""
    return credited(
        lambda y: on_visible_rows(attend, y, y.with_explicit_mask(), "out, rules written out as a mask"), attend, x, *RULES
    )


def _broadcast(x: Inputs) -> bool:
    """Whether a mask or bias stands for a larger one, and the mask hides something, or the bias differs between two keys."""
    larger = any(a.shape != x.score_shape for a in given(x).values())
    return larger and 0 not in x.output_shape and (_hidden_by("mask", "bias")(x) or _biased(x))


def _biased(x: Inputs) -> bool:
    """Whether the bias differs between two visible keys of a row."""
    if x.bias is None:
        return False
    seen, bias = x.visible(), x.bias.astype(np.float64)
    lowest, highest = np.where(seen, bias, np.inf).min(-1, initial=np.inf), np.where(seen, bias, -np.inf).max(-1, initial=-np.inf)
    return bool((lowest < highest).any())


@property_("M6", needs_new_oracle=True, every_other_case=True, needs=_broadcast)
def a_broadcast_mask_is_the_full_mask(attend: Attend, x: Inputs) -> Verdict:
    """Size-1 axes of mask and bias stand for all entries (C09: torch-mps-mask-partial-broadcast, openvino-gpu-mask-q1)."""
    full = {name: np.broadcast_to(a, x.score_shape).copy() for name, a in given(x).items()}
    what = "out, mask and bias in full shape"
    return credited(lambda y: unchanged(attend, y, attend(y.replace(**full)), what), attend, x, "mask", "bias")


@property_(
    "M7",
    needs_new_oracle=True,
    needs=lambda x: _hides(x) and bool((~x.visible()).all((0, 1, 2)).any()) and bool(x.visible().any()),
)
def hidden_keys_can_be_left_out(attend: Attend, x: Inputs) -> Verdict:
    """Keys that nobody sees may be missing altogether (C12: tt-decode-tile-leak; C16: torch-cpu-flash-nan-block)."""
    seen, what = np.flatnonzero(x.visible().any((0, 1, 2))), "out, hidden keys left out"
    return credited(lambda y: on_visible_rows(attend, y, take_keys(y, seen), what), attend, x, "mask", *RULES)


@property_("M8", needs=lambda x: _hides(x) and bool(x.visible().any()) and not x.visible().any(-1).all())
def empty_rows_leave_other_rows_alone(attend: Attend, x: Inputs) -> Verdict:
    """Rows that see something are finite, whatever stands beside them (C02: hf-mask-refactor-nan, ort-cuda-zero-mask)."""
    rows = ~attend.expected(x).exact.empty
    if not rows.any():
        return VACUOUS
    out = attend(x).astype(np.float64)
    lost = np.argwhere(rows[..., None] & ~np.isfinite(out))
    message = f"out{place(lost[0])}={out[tuple(lost[0])]}, but should be finite (the row sees a key)" if lost.size else ""
    return holds(not lost.size, message)


@property_("M9", needs_new_oracle=True, options=("bias",), needs=lambda x: 0 not in x.output_shape and x.k.shape[2] > 1)
def mask_and_bias_of_minus_infinity_are_joined(attend: Attend, x: Inputs) -> Verdict:
    """Some keys hidden by a mask, others by a bias of -inf: as if one mask hid both (C03: ort-unidirectional-10000; C05; C08)."""
    place = np.add.outer(2 * np.arange(x.q.shape[2]), np.arange(x.k.shape[2]))[None, None]
    first, second = place % 5 == 4, place % 3 == 1
    mask = ~first if x.mask is None else ~first & x.mask
    bias = np.where(second, -np.inf, 0 if x.bias is None else x.bias.astype(np.float64)).astype(x.q.dtype)
    together, what = x.replace(mask=mask & ~second), "out, half of the mask as bias"
    return credited(lambda y: on_visible_rows(attend, y, y.replace(mask=mask, bias=bias), what), attend, together, "mask")


@property_("M10", needs_new_oracle=True, needs=_broadcast)
def a_full_mask_by_stride_zero_is_the_mask(attend: Attend, x: Inputs) -> Verdict:
    """Mask and bias expanded without a copy, with strides of 0, mean what they meant (C09: torch-mps-mask-partial-broadcast; C20)."""
    full = {name: np.broadcast_to(a, x.score_shape) for name, a in given(x).items()}
    what = "out, mask and bias in full shape by stride 0"
    return credited(lambda y: unchanged(attend, y, attend(y.replace(**full)), what), attend, x, "mask", "bias")


def _without_leading_ones(a: np.ndarray | None) -> np.ndarray | None:
    """The last two axes, and those before them from the first on that is not of size 1."""
    while a is not None and a.ndim > 2 and a.shape[0] == 1:
        a = a[0]
    return a


def _by_head(a: np.ndarray, score_shape: tuple[int, ...]) -> np.ndarray:
    """[1, H, Lq, Lk]: the first batch entry, of a mask without every third key, another third for each head and row."""
    first = np.broadcast_to(a, score_shape)[:1]
    heads, rows, keys = np.ogrid[: score_shape[1], : score_shape[2], : score_shape[3]]
    return first & ((heads + rows + keys) % 3 != 1) if a.dtype == bool else first


def _coinciding(x: Inputs) -> Inputs:
    """As many queries as batch entries, so that sizes do not distinguish the axes."""
    few = np.arange(min(x.q.shape[0], x.q.shape[2]))
    return take_queries(take_batch(x, few), few)


@property_("M11", needs_new_oracle=True, needs=lambda x: bool(given(x)) and 0 not in x.output_shape)
def masks_with_fewer_axes_mean_the_same(attend: Attend, x: Inputs) -> Verdict:
    """Leading axes of size 1 may be left out: [H, Lq, Lk] and [Lq, Lk] broadcast from the right (C09: openvino-gpu-mask-q1; C36)."""
    by_head = {name: _by_head(a, x.score_shape) for name, a in given(x).items()}
    verdict = _shortened(attend, x.replace(**by_head))
    y = _coinciding(x)
    return verdict & _shortened(attend, y.replace(**{name: _by_head(a, y.score_shape)[:, :1] for name, a in given(y).items()}))


def given(x: Inputs) -> dict[str, np.ndarray]:
    """Mask and bias, those that there are."""
    return {name: a for name, a in (("mask", x.mask), ("bias", x.bias)) if a is not None}


def _shortened(attend: Attend, x: Inputs) -> Verdict:
    """The answer to x, by mask and bias without their leading axes of size 1."""
    short = {name: _without_leading_ones(a) for name, a in given(x).items()}
    return unchanged(attend, x, attend(x.replace(**short)), "out, mask and bias without leading axes of size 1")

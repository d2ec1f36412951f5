"""Properties of limits: scores whose answer is known without the oracle, such as one value, or the plain mean."""

from __future__ import annotations

import numpy as np

from attention_specs.attention.inputs import Inputs
from attention_specs.attention.oracle import default_scale
from attention_specs.attention.transform import without_sinks
from attention_specs.formats import largest
from attention_specs.judge import VACUOUS, Verdict, within
from attention_specs.properties.relations import both
from attention_specs.properties.weights import asks, keys_to_read, one_hot, visible_rows
from attention_specs.property import Attend, property_


def _has_channels(x: Inputs) -> bool:
    """Whether the channels of a key can hold its number in bits."""
    return asks(x) and x.q.shape[3] >= _code_length(x)


def _code_length(x: Inputs) -> int:
    return (x.k.shape[2] - 1).bit_length()


@property_("T1", needs_new_oracle=True, needs=_has_channels)
def every_key_can_be_picked(attend: Attend, x: Inputs) -> Verdict:
    """A query that points at one key gets its value: the last, the first, any (C10: onnx-gqa-tile; C12: triton-tutorial-tail; C13)."""
    target = _targets(np.isfinite(attend.expected(x).exact.scores))
    y = _pointing(x, target)
    if y is None:
        return VACUOUS
    picked = np.take_along_axis(np.repeat(x.v, x.group, axis=1), target[..., None], 2)
    # Not bit for bit: an exponential to base 2 of a fused product need not be exactly 1 at the maximum.
    return within(
        attend(y),
        picked,
        lambda: attend.expected(y).bounds.out + np.abs(attend.expected(y).exact.out - picked),  # what other keys still weigh
        "out",
        visible_rows(attend, x),
        "the value of the key pointed at",
    )


def _targets(seen: np.ndarray) -> np.ndarray:
    """A visible key for each row, int [B, Hq, Lq]: the last for the first row, the first for the second, and so on; 0 in empty rows."""
    count, rank = seen.sum(-1), np.cumsum(seen, -1) - 1
    place = (np.arange(count.size).reshape(count.shape) - 1) % np.maximum(count, 1)
    target: np.ndarray = np.argmax(seen & (rank == place[..., None]), -1)
    return target


def _pointing(x: Inputs, target: np.ndarray) -> Inputs | None:
    """Keys are their own numbers, bits as signs, and queries large multiples of them. None if they are out of range.

    A bit that differs costs so much that every weight but one underflows.
    """
    (n, d), length = x.k.shape[2:], _code_length(x)
    code = np.where(np.arange(d) < length, 1.0 - 2 * (np.arange(n)[:, None] >> np.minimum(np.arange(d), 62) & 1), 0.0)
    hidden = None if x.bias is None else np.where(np.isneginf(x.bias), x.bias, 0).astype(x.bias.dtype)
    y = x.replace(bias=hidden, softcap=None, sinks=None, scale=x.scale if (x.scale or 0) > 0 else None)
    gap = 1500.0 if x.dtype == "float64" else 208.0
    size = 2.0 ** np.ceil(np.log2(gap / 2 / float(default_scale(y))))
    if size * max(length, 1) > largest(x.dtype) / 2:
        return None
    return y.replace(q=(size * code[target]).astype(x.q.dtype), k=np.broadcast_to(code, x.k.shape).astype(x.k.dtype))


@property_("T2", needs_new_oracle=True, needs=lambda x: asks(x) and x.bias is None and x.sinks is None)
def zero_scale_gives_the_mean(attend: Attend, x: Inputs) -> Verdict:
    """A scale of 0 makes all scores equal, and is not taken for an absent one (C23: inductor-scale-ignored; C35)."""
    y = x.replace(scale=0.0)
    expected = attend.expected(y)
    return within(
        attend(y), expected.out, expected.bounds.out, "out", visible_rows(attend, x), "scale 0: mean of the visible values"
    )


def _beyond_all_scores(attend: Attend, x: Inputs) -> float:
    """A number far above the size of all scores; not every dtype has it."""
    scores = attend.expected(x).exact.scores
    return 2 * float(np.abs(scores[np.isfinite(scores)]).max(initial=0)) + 1e4


@property_("T3", needs_new_oracle=True, options=("sinks",), needs=asks)
def a_very_large_sink_takes_everything(attend: Attend, x: Inputs) -> Verdict:
    """A sink far above all scores leaves nothing to the keys (C18: fa-sink-rowmax, sglang-unified-swa-sink)."""
    size = _beyond_all_scores(attend, x)
    if size > largest(x.dtype):
        return VACUOUS
    y = x.replace(sinks=np.full(x.q.shape[1], size).astype(x.q.dtype))
    nothing, what = np.zeros(x.output_shape), "out beside a very large sink"
    return within(attend(y), nothing, lambda: attend.expected(y).bounds.out, what, visible_rows(attend, x))


@property_("T4", needs_new_oracle=True, options=("sinks",), needs=asks)
def a_very_small_sink_changes_nothing(attend: Attend, x: Inputs) -> Verdict:
    """A sink far below all scores takes nothing from the keys (C18: fa-sink-formula, mlx-sinks-s1)."""
    size = _beyond_all_scores(attend, x)
    if size > largest(x.dtype):
        return VACUOUS
    sinks = np.full(x.q.shape[1], -size).astype(x.q.dtype)
    return both(attend, without_sinks(x), x.replace(sinks=sinks), "out beside a very small sink")


SENTINELS = (-6e4, -1e5, -3e38)
"""Numbers that kernels have taken for minus infinity, or that pass it on their way."""


@property_("T5", needs_new_oracle=True, options=("bias",), needs=asks)
def equal_scores_may_be_very_low(attend: Attend, x: Inputs) -> Verdict:
    """Visible scores that are all -60000, or all -3e38, give the mean, not zeros (C03: torch-memeff-finfo-min, te-unfused-10000)."""
    lows = [low for low in SENTINELS if -low <= largest(x.dtype)] or [-largest(x.dtype)]
    low = lows[x.k.shape[2] % len(lows)]
    old = np.zeros((1, 1, x.q.shape[2], x.k.shape[2])) if x.bias is None else x.bias
    at = {c: np.where(np.isneginf(old), -np.inf, c).astype(x.q.dtype) for c in (0.0, low)}
    flat = x.replace(q=np.zeros_like(x.q), sinks=None, bias=at[0.0])
    # 0 + low is exact in every format, and a common part of scores cancels: the bound is that of scores of 0.
    expected = attend.expected(flat)
    got = attend(flat.replace(bias=at[low]))
    return within(got, expected.out, expected.bounds.out, f"out of scores that are all {low:g}", ~expected.exact.empty)


@property_("T6", needs_new_oracle=True, options=("bias",), needs=lambda x: asks(x) and x.k.shape[2] <= 64)
def raising_a_score_raises_its_weight(attend: Attend, x: Inputs) -> Verdict:
    """One score raised by 1: its weight does not fall, and no other rises (C01; C07: openvino-bool-polarity; a bias that is subtracted)."""
    y, read = one_hot(x), keys_to_read(x)
    key = read[read.size // 2]
    step = np.broadcast_to(np.arange(x.k.shape[2]) == key, (1, 1, *x.score_shape[2:]))
    bias = step if x.bias is None else x.bias.astype(np.float64) + step
    raised = y.replace(bias=bias.astype(x.q.dtype))
    change = attend(raised).astype(np.float64) - attend(y).astype(np.float64)
    astray = np.maximum(np.where(read == key, -change, change), 0)
    bound = attend.expected(y).bounds.out + attend.expected(raised).bounds.out
    what, why = "change of a weight in the wrong direction", f"the score of key {key} was raised by 1"
    return within(astray, np.zeros_like(astray), bound, what, visible_rows(attend, x), why)


@property_("T7", needs_new_oracle=True, options=("scale",), needs=asks)
def products_may_be_large_before_they_are_scaled(attend: Attend, x: Inputs) -> Verdict:
    """q . k beyond the range of float16, and scores of at most 8: scaled late they are infinite (C24, C25)."""
    size, signs = np.sqrt(2.0**17 / max(x.q.shape[-1], 1)), np.where(np.arange(x.q.shape[-1]) % 3, 1.0, -1.0)
    weight = np.array([1.0, -0.5, 0.75, 0.25, -1.0])[np.arange(x.k.shape[2]) % 5]
    q, k = size * signs * np.ones_like(x.q, np.float64), size * signs * weight[:, None] * np.ones_like(x.k, np.float64)
    y = x.replace(q=q.astype(x.q.dtype), k=k.astype(x.k.dtype), scale=2.0**-14)
    expected = attend.expected(y)
    return within(attend(y), expected.out, expected.bounds.out, "out of large products", visible_rows(attend, x))

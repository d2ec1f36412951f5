"""Properties of the weights, read off the output through chosen values: they are shares of the visible keys."""

from __future__ import annotations

import numpy as np

from attention_specs.attention.inputs import Inputs
from attention_specs.judge import VACUOUS, Verdict, holds, within
from attention_specs.property import Attend, property_
from attention_specs.remembered import remembered


def asks(x: Inputs) -> bool:
    """Whether there is an output, and a key to attend to."""
    return 0 not in x.output_shape and x.k.shape[2] > 0


def visible_rows(attend: Attend, x: Inputs) -> np.ndarray:
    """Bool [B, Hq, Lq]: rows that see a key."""
    return ~attend.expected(x).exact.empty


@property_("W1", every_other_case=True, needs=asks)
def weights_sum_to_one(attend: Attend, x: Inputs) -> Verdict:
    """With V = 1 every visible row gives 1, or what the sink leaves (C01: timm-eva-mask-after-softmax; C12; C18)."""
    ones = x.replace(v=np.ones_like(x.v))
    expected, rows = attend.expected(ones), visible_rows(attend, x)
    return within(attend(ones), expected.out, expected.bounds.out, "sum of the weights", rows)


@property_("W2", every_other_case=True, needs=asks)
def weights_are_not_negative(attend: Attend, x: Inputs) -> Verdict:
    """Values that are 1 at one key and 0 elsewhere read off weights: none below 0, none NaN (C24; C13)."""
    out = attend(one_hot(x))[visible_rows(attend, x)].astype(np.float64)
    return holds(bool(np.all(out >= 0)), f"smallest weight={out.min(initial=0):.3g}, but should be at least 0")


def keys_to_read(x: Inputs) -> np.ndarray:
    """As many keys as there are value columns, the last and the first among them."""
    return np.linspace(x.k.shape[2] - 1, 0, x.v.shape[3]).astype(int)


@remembered
def one_hot(x: Inputs) -> Inputs:
    """The same call with values of 1 at the key that the column reads, and 0 elsewhere: the output is weights."""
    columns = np.arange(x.k.shape[2])[:, None] == keys_to_read(x)
    return x.replace(v=np.broadcast_to(columns, x.v.shape).astype(x.v.dtype))


def _hides_from_some(x: Inputs) -> bool:
    """Whether there is a row that sees some keys, and not all."""
    seen = x.visible()
    return asks(x) and bool((seen.any(-1) & ~seen.all(-1)).any())


@property_("W3", every_other_case=True, needs=_hides_from_some)
def masked_weights_are_exactly_zero(attend: Attend, x: Inputs) -> Verdict:
    """A key that may not be seen has weight 0, not a small one (C03: ort-unidirectional-10000; C13: torch-mps-causal-per-4; C14)."""
    hidden = ~x.visible()[..., keys_to_read(x)] & visible_rows(attend, x)[..., None]
    if not hidden.any():
        return VACUOUS
    leaked = np.abs(attend(one_hot(x))[hidden].astype(np.float64))
    return holds(bool(np.all(leaked == 0)), f"largest weight of a masked key={leaked.max():.3g}, but should be 0")


@property_("W4", needs=asks)
def weights_read_off_agree_with_the_oracle(attend: Attend, x: Inputs) -> Verdict:
    """Single weights, the last and the first key's among them, are those of the definition (C12: ptxla-kv-pad; C22; C23)."""
    y = one_hot(x)
    expected, rows = attend.expected(y), visible_rows(attend, x)
    return within(
        attend(y), expected.out, expected.bounds.out, "weights read off", rows, "values are 1 at one key and 0 elsewhere"
    )


@property_("W5", every_other_case=True, needs=lambda x: asks(x) and x.sinks is None)
def constant_values_come_back(attend: Attend, x: Inputs) -> Verdict:
    """If all values are one vector, each visible row is that vector: score errors cancel (C24: mlx-metal-precision; C01)."""
    constant = x.replace(v=np.broadcast_to(x.v[:, :, :1], x.v.shape).copy())
    expected, rows = attend.expected(constant), visible_rows(attend, x)
    return within(attend(constant), expected.out, expected.bounds.out, "out of constant values", rows)


@property_("W6", every_other_case=True, needs=asks)
def output_stays_within_the_visible_values(attend: Attend, x: Inputs) -> Verdict:
    """Each output lies between the least and the greatest visible value of its column, 0 included with a sink (C02, C12, C24)."""
    least, greatest = _range(x)
    expected, rows, out = attend.expected(x), visible_rows(attend, x), attend(x).astype(np.float64)
    nearest = np.clip(out, least, greatest)
    return within(out, nearest, expected.bounds.out, "out", rows, "the nearest visible value of its column")


CELLS = 1 << 16
"""Numbers that are compared at once: so many stay in the cache."""


def _range(x: Inputs) -> tuple[np.ndarray, np.ndarray]:
    v = np.repeat(x.v.astype(np.float64), x.group, axis=1)[:, :, None]
    seen, rows = x.visible()[..., None], max(1, CELLS // v.size)
    least, greatest = (np.empty(x.output_shape) for _ in range(2))
    for start in range(0, x.q.shape[2], rows):
        part = np.s_[:, :, start : start + rows]
        least[part] = np.where(seen[part], v, np.inf).min(3)
        greatest[part] = np.where(seen[part], v, -np.inf).max(3)
    return (least, greatest) if x.sinks is None else (np.minimum(least, 0), np.maximum(greatest, 0))


@property_("W7", every_other_case=True, needs=lambda x: asks(x) and x.bias is None and x.sinks is None)
def equal_scores_give_the_mean_of_the_visible_values(attend: Attend, x: Inputs) -> Verdict:
    """With q = 0 the output is the plain mean of what may be seen: the mask, read off the output (C04, C07, C09, C14, C33)."""
    flat = x.replace(q=np.zeros_like(x.q))
    expected, rows = attend.expected(flat), visible_rows(attend, x)
    return within(attend(flat), expected.out, expected.bounds.out, "out", rows, "queries are 0: mean of the visible values")

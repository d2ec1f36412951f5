"""Biases: named float arrays that are added to the scaled scores, at their natural broadcast shape.

>>> alibi().dense(1, 2, 1, 3)[0, 1, 0].tolist()
[0.0, -0.00390625, -0.0078125]
>>> minus_infinity(masks.causal()).dense(1, 1, 2, 2)[0, 0].tolist()
[[0.0, -inf], [0.0, 0.0]]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from attention_specs import masks
from attention_specs.draws import Draws, uniform
from attention_specs.named import Kinds, Named
from attention_specs.registry import Registry

Formula = Callable[[int, int, int, int], np.ndarray]

BIASES: Registry[Callable[..., Formula]] = Registry("bias")


@dataclass(frozen=True)
class Bias(Named):
    """A named formula."""

    factories = BIASES

    def dense(self, batch: int, heads: int, query_length: int, key_length: int) -> np.ndarray:
        """float64 array broadcastable to [batch, heads, query_length, key_length]; -inf masks."""
        return np.asarray(self.made()(batch, heads, query_length, key_length), np.float64)


bias = Kinds(Bias)


def _grid(*sizes: int) -> tuple[np.ndarray, ...]:
    return np.ix_(*(np.arange(n) for n in sizes))


@bias
def total(left: Bias, right: Bias) -> Formula:
    """The sum of two biases."""
    return lambda *sizes: left.dense(*sizes) + right.dense(*sizes)


@bias(draw=lambda d: (d.seed(), d.number("noise", 1.0, 5.0, 0.1, 30.0), d.axes()))
def noise(seed: int, width: float, axes: str) -> Formula:
    """Uniform in [-width, width], varying along the named axes, a subset of "bhij"."""
    return lambda *sizes: width * (2 * uniform(seed, *masks._only(axes, *_grid(*sizes))) - 1)


@bias(draw=lambda d: ())
def alibi() -> Formula:
    """-slope * |i - j| (Press, Smith and Lewis 2022), slopes by their recipe for any number of heads."""
    return lambda batch, heads, nq, nk: 0.0 - alibi_slopes(heads)[None, :, None, None] * _distance(nq, nk)


def _distance(query_length: int, key_length: int) -> np.ndarray:
    return np.abs(np.arange(query_length)[:, None] - np.arange(key_length)).astype(np.float64)


def alibi_slopes(heads: int) -> np.ndarray:
    """2^(-8 k / n), k = 1..n, for n a power of two; else those of the power below, then every second of the power above."""
    power = 1 << max(heads.bit_length() - 1, 0)
    slopes = 2.0 ** (-8 * np.arange(1, power + 1) / power)
    more = 2.0 ** (-4 * np.arange(1, 2 * power + 1, 2) / power)
    return np.concatenate([slopes, more])[:heads]


@bias(draw=lambda d: (d.seed(), 2.0, 32, 128))
def relative(seed: int, width: float, buckets: int, reach: int) -> Formula:
    """T5's bidirectional relative position bias: a random number per head and logarithmic distance bucket (Raffel et al. 2020)."""
    return lambda batch, heads, nq, nk: _relative(seed, width, heads, t5_buckets(nq, nk, buckets, reach))


def _relative(seed: int, width: float, heads: int, bucket: np.ndarray) -> np.ndarray:
    return width * (2 * uniform(seed, np.arange(heads)[None, :, None, None], bucket[None, None]) - 1)


def t5_buckets(query_length: int, key_length: int, buckets: int, reach: int) -> np.ndarray:
    """Bucket numbers [query_length, key_length]: exact up to buckets/4, logarithmic up to `reach`, one half per direction."""
    offset = np.arange(key_length) - np.arange(query_length)[:, None]
    half, exact = buckets // 2, buckets // 4
    far = np.maximum(np.abs(offset), 1)
    logarithmic = exact + (np.log(far / exact) / np.log(reach / exact) * (half - exact)).astype(int)
    bucket = np.where(np.abs(offset) < exact, np.abs(offset), np.minimum(logarithmic, half - 1))
    return np.where(offset > 0, half, 0) + bucket


@bias(draw=lambda d: (d.mask(),))
def minus_infinity(mask: masks.Mask) -> Formula:
    """0 where the mask allows, -inf where it does not: a mask in its additive form."""
    return lambda *sizes: np.where(mask.dense(*sizes), 0.0, -np.inf)


@bias(draw=lambda d: (d.mask(), d.number("filler", -1e4, -6e4)))
def filler(mask: masks.Mask, value: float) -> Formula:
    """0 where the mask allows, a large negative finite number where it does not, as many models write it."""
    return lambda *sizes: np.where(mask.dense(*sizes), 0.0, value)


LOWEST = -3e38
"""Stands for the lowest number of float32 and bfloat16: any factor above 1.13 turns it to -inf. Not for float16."""


@bias.drawn
def lowest(d: Draws) -> Bias:
    """A mask whose filler is the lowest number."""
    return filler(d.mask(), LOWEST)


@bias.drawn
def lowest_row(d: Draws) -> Bias:
    """One row of the lowest number."""
    return filler(masks.hidden_query(d.position(d.shape.query_length)), LOWEST)

"""The largest error of the forward pass, element by element; derived in `precision.md`, sections 3 to 6.

All counts of roundings are exponents: a weight is exp of something, so relative errors of a weight and errors of its
score are one and the same, and their products need no terms of second order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from attention_specs.attention.inputs import Inputs
from attention_specs.attention.oracle import Reference, default_scale
from attention_specs.attention.reference_steps import (
    farthest_values,
    finite,
    in_float64,
    log_weights,
    numbers_of_keys,
    seen,
    sums_of_values,
)
from attention_specs.precision import Units, tiles
from attention_specs.stopwatch import timed

SCALING = 6
"""Roundings of the scale and of the products with it, as one factor or as its root on either operand."""
EXP, TANH, LOG, DIVISION = 6, 10, 6, 6
"""Twice the units in the last place that OpenCL allows in single precision: 3, 5, 3, and 2.5 for a reciprocal, with its product."""
MOST_BY_LSE = 1 / 4
"""The largest common error of weights exp(z - lse). An lse coarser than quarters gives no weights: precision.md, 3."""
MOST = 690.0
"""A larger exponent makes every bound void. The exponential of this one and its inverse are in the range of float64."""


@dataclass(frozen=True, eq=False)
class Inherited:
    """Errors that queries, keys and values already have when attention gets them, as behind the projections of a layer."""

    scores: np.ndarray
    """[B, Hq, Lq, Lk], the error of each score that queries and keys bring with them."""
    values: np.ndarray
    """[B, Hq, Lk, Dv], of values repeated over the group."""


class AttentionBounds:
    """The bounds for one call of an implementation whose roundings cost `u`, each worked out when it is asked for."""

    def __init__(self, x: Inputs, exact: Reference, u: Units, inherited: Inherited | None = None) -> None:
        self.x, self.exact, self.inherited = x, exact, inherited
        self.u = u if x.storage is None else u.dequantising
        self.seen, self.keys = seen(exact), numbers_of_keys(exact)
        self.parts = tiles(x.k.shape[2]) > 1
        self.rescalings = np.maximum(np.minimum(self.keys, tiles(x.k.shape[2])) - 1, 0)

    @property
    def scores(self) -> np.ndarray:
        """[B, Hq, Lq, Lk]: largest error of each visible exponent z - m; 0 where masked."""
        return self._exponents[0]

    @property
    def sinks(self) -> np.ndarray:
        """[B, Hq, Lq]: largest error of the sink's exponent."""
        return self._exponents[1]

    @property
    def low(self) -> np.ndarray:
        """[B, Hq, Lq]: least factor by which the score errors can change the sum of a row; 1 for empty rows."""
        return self._normaliser[0]

    @property
    def high(self) -> np.ndarray:
        """[B, Hq, Lq]: greatest such factor."""
        return self._normaliser[1]

    @cached_property
    @timed("bounds")
    def numerator(self) -> np.ndarray:
        """[B, Hq, Lq]: of each term of sum_j p_j v_j: its product, the sum, division, storing the weight, reading both."""
        return self._summed + (DIVISION * self.u.a + self.u.w + self.u.operand + self.u.read)

    @cached_property
    @timed("bounds")
    def denominator(self) -> np.ndarray:
        """[B, Hq, Lq]: of sum_j p_j, a sink being one term more, of powers that are stored or not; of weights exp(z - lse)."""
        size, terms = np.abs(finite(self.exact.lse)), np.log(self.keys + 1)
        by_lse = np.expm1(2 * self.u.a) * size + np.expm1((LOG + 4) * self.u.a) * terms + self.u.s * (size + terms)
        beside = self.u.beside_matrix_units
        summed = self._summed if beside is self.u else self._sums(beside)
        return summed + max(self.u.s, self.u.w) + np.minimum(by_lse, MOST_BY_LSE)

    @cached_property
    def _summed(self) -> np.ndarray:
        return self._sums(self.u)

    def _sums(self, u: Units) -> np.ndarray:
        """The cost of a sum over the keys of each row."""
        summed: np.ndarray = u.sums(self.keys + 2 * self.rescalings, self.exact.scores.shape[-1] + 2 * self.rescalings)
        return summed

    @cached_property
    @timed("bounds")
    @np.errstate(over="ignore", invalid="ignore")
    def _exponents(self) -> tuple[np.ndarray, np.ndarray]:
        x, u, parts = self.x, self.u, self.parts
        added = x.bias is not None or x.softcap is not None
        of_score = np.expm1((2 * u.a + u.s) * added + 2 * u.a * parts)
        of_distance = np.expm1(3 * u.a + u.s + 2 * u.a * parts)
        merging = np.expm1((LOG + 2) * u.a) * parts * np.log(max(x.k.shape[2], 1))
        alike = EXP * (1 + self.rescalings) * u.a + u.s + merging
        z, top = np.where(self.seen, in_float64(self.exact.scores), 0), _top(x, self.exact)
        e = np.where(self.seen, capped_errors(x, self.exact, u, None if self.inherited is None else self.inherited.scores), 0)
        worst = e.max(-1, initial=0)
        bias = 0 if x.bias is None else np.expm1(u.a + u.cast) * np.abs(finite(x.bias))
        distance = np.abs(z - top[..., None]) + worst[..., None]
        d = (1 + of_score) * (1 + of_distance) * e + of_score * np.abs(z) + of_distance * distance + bias
        sink = np.zeros(1) if x.sinks is None else in_float64(x.sinks)[:, None]
        d_sink = (of_score + np.expm1(u.a + u.cast)) * np.abs(sink) + of_distance * (np.abs(sink - top) + worst) + alike
        return np.where(self.seen, d + alike[..., None], 0), d_sink * (x.sinks is not None)

    @cached_property
    @timed("bounds")
    @np.errstate(over="ignore", invalid="ignore")
    def _normaliser(self) -> tuple[np.ndarray, np.ndarray]:
        sink = in_float64(self.exact.sink_weights)
        low, high = (
            moved.sum(-1) + sink * np.exp(np.minimum(sign * self.sinks, MOST))
            for sign, moved in ((-1, self._moved(-self.scores)), (1, self._raised))
        )
        nothing = self.exact.empty & (sink == 0)
        return np.where(nothing, 1, np.maximum(low, np.exp(-MOST))), np.where(nothing, 1, np.minimum(high, np.exp(MOST)))

    def _moved(self, errors: np.ndarray) -> np.ndarray:
        """The weights with each score off by `errors`, not normalised again; from the logarithm, which does not underflow."""
        exponents: np.ndarray = log_weights(self.exact) + errors
        return np.exp(np.minimum(exponents, MOST, out=exponents), out=exponents)

    @cached_property
    def _raised(self) -> np.ndarray:
        """The weights with each score higher by its error."""
        return self._moved(self.scores)

    @cached_property
    @timed("bounds")
    def heaviest(self) -> np.ndarray:
        """The largest weights that the score errors allow."""
        return np.minimum(self._raised / self.low[..., None], 1)

    @cached_property
    @timed("bounds")
    def out(self) -> np.ndarray:
        """[B, Hq, Lq, Dv]."""
        u, keys = self.u, self.exact.scores.shape[-1]
        v, o = (in_float64(a) for a in (self.exact.values, self.exact.out))
        with np.errstate(over="ignore", invalid="ignore"):
            weights_lost = u.tiny * (2 * sums_of_values(self.exact) + self.keys[..., None] * np.abs(o))
            lost = (weights_lost + (2 * keys + 1) * u.tiny_sums) * np.exp(self.numerator + self.denominator)[..., None]
            inherited = (
                0 if self.inherited is None else np.exp(self.numerator)[..., None] * (self.heaviest @ self.inherited.values)
            )
            return self._of_output(self.heaviest, v, o, self._through_scores(v, o), lost, inherited)

    @cached_property
    @timed("bounds")
    def out_of_right_scores(self) -> np.ndarray:
        """[B, Hq, Lq, Dv], the part of `out` that right scores leave: never more, and for a tenth of the cost."""
        v, o = (in_float64(a) for a in (self.exact.values, self.exact.out))
        with np.errstate(over="ignore", invalid="ignore"):
            return self._of_output(in_float64(self.exact.weights), v, o)

    def _of_output(
        self, weights: np.ndarray, v: np.ndarray, o: np.ndarray, moved: Any = 0.0, lost: Any = 0.0, inherited: Any = 0.0
    ) -> np.ndarray:
        """The bound of the output by its weights, and by the errors from elsewhere."""
        u = self.u
        values = np.abs(v)
        sizes = np.minimum(weights @ values, values.max(2, keepdims=True, initial=0))
        terms = np.expm1(self.numerator)[..., None] * sizes
        sums = np.abs(o) + moved + terms
        whole = np.where(sums == 0, 0.0, np.expm1(self.denominator)[..., None] * sums)  # 0, whatever it is divided by
        error: np.ndarray = (moved + terms + whole + lost + inherited) * np.exp(u.o) + np.expm1(u.o) * np.abs(o) + u.tiny_out
        return error

    def _through_scores(self, v: np.ndarray, o: np.ndarray) -> np.ndarray:
        """The effect of other weights of sum one: sum_j |w'_j - w_j| |v_j - o|, at most the distance of the farthest value."""
        w, small = in_float64(self.exact.weights), self.scores < 1
        grown = w * np.expm1(self.scores if small.all() else np.where(small, self.scores, 0))
        grown = grown if small.all() else np.where(small, grown, self._raised - w)
        sink = (in_float64(self.exact.sink_weights) * np.expm1(np.minimum(self.sinks, MOST)) / self.low)[..., None]
        moved = weighted_distance(np.minimum(grown / self.low[..., None], np.exp(MOST)), v, o) + sink * np.abs(o)
        farthest = np.maximum(farthest_values(self.exact), np.where(sink > 0, np.abs(o), 0))
        return np.where(self.exact.empty[..., None], 0, np.minimum(moved, farthest))

    @cached_property
    @timed("bounds")
    def weights(self) -> np.ndarray:
        """[B, Hq, Lq, Lk]; 0 where masked."""
        w, u = in_float64(self.exact.weights), self.u
        relative = (self.denominator + DIVISION * u.a + max(u.w, u.o))[..., None]
        with np.errstate(over="ignore"):
            grown = np.expm1(np.minimum(self.scores + relative - np.log(self.low)[..., None], MOST))
            shrunk = -np.expm1(-self.scores - relative - np.log(self.high)[..., None])
        lost = (2 + self.keys[..., None] * w) * u.tiny * np.exp(relative) + u.tiny_out
        return np.where(self.seen, w * np.maximum(grown, shrunk) + lost, 0)

    @cached_property
    @timed("bounds")
    def lse(self) -> np.ndarray:
        """[B, Hq, Lq], m + log(sum_j exp(z_j - m)), in natural logarithms."""
        u, size, terms = self.u, np.abs(finite(self.exact.lse)), np.log(self.keys + 1)
        change = np.maximum(np.log(self.high), -np.log(self.low))
        beyond = (self.low <= np.exp(-MOST)) | (self.high >= np.exp(MOST))  # no further than the worst score of the row
        change = np.where(beyond, np.maximum(self.scores.max(-1, initial=0), self.sinks), change) + self.denominator
        own = np.expm1((LOG + 4) * u.a) * terms + np.expm1(4 * u.a) * size
        return change + own + u.s * (size + 2 * terms) + u.o * size


def capped_errors(x: Inputs, exact: Reference, u: Units, inherited: np.ndarray | None = None) -> np.ndarray:
    """Largest error of each score behind scale and softcap, [B, Hq, Lq, Lk]."""
    e = product_errors(x, u) if inherited is None else product_errors(x, u) + inherited
    if x.softcap is None:
        return e
    scaled = np.abs(in_float64(exact.scaled))
    nearest = np.maximum(scaled - e, 0) / x.softcap
    capped = x.softcap * np.tanh(scaled / x.softcap)
    e = e / np.cosh(np.minimum(nearest, 300)) ** 2
    return e + np.expm1((DIVISION + TANH + 1) * u.a + 3 * u.s) * (capped + e)


def product_errors(x: Inputs, u: Units) -> np.ndarray:
    """Largest error of scale * (q . k), [B, Hq, Lq, Lk]."""
    scale, (q, k) = abs(float(default_scale(x))), magnitudes(x)
    u = u if x.storage is None else u.dequantising
    products, stored = q @ k.swapaxes(-1, -2), max(3 * u.s, u.p)
    error: np.ndarray = np.expm1(u.sums(q.shape[-1]) + SCALING * u.a + stored + 2 * u.operand) * (scale * products)
    error = error + u.tiny_products * scale + q.shape[-1] * u.tiny_sums * max(1.0, scale)
    if u.tiny_scores:  # of a stored scale, query, key, product or score
        rooted = max(1.0, np.sqrt(scale)) * (q.sum(-1)[..., None] + k.sum(-1)[:, :, None])
        error = error + u.tiny_scores * (1 + scale + rooted + products)
    return error


def score_sizes(x: Inputs) -> np.ndarray:
    """|scale| * (|q| . |k|), which a sum of products cannot exceed on the way."""
    q, k = magnitudes(x)
    return abs(float(default_scale(x))) * (q @ k.swapaxes(-1, -2))


def magnitudes(x: Inputs) -> tuple[np.ndarray, np.ndarray]:
    """|q|, and |k| for each query head, 0 where it is not finite."""
    q, k = (np.abs(in_float64(a)) for a in (x.q, x.k))
    return q, np.repeat(np.where(np.isfinite(k), k, 0), x.group, axis=1)


def _top(x: Inputs, exact: Reference) -> np.ndarray:
    """The maximum of each row, the sink included, [B, Hq, Lq]; 0 where there is none."""
    top = exact.scores.max(-1, initial=-np.inf)
    top = top if x.sinks is None else np.maximum(top, in_float64(x.sinks)[:, None])
    return finite(top)


def weighted_distance(moved: np.ndarray, v: np.ndarray, o: np.ndarray, cells: int = 1 << 16) -> np.ndarray:
    """sum_j moved[i, j] |v[j, c] - o[i, c]|: small ones at once, else a few rows at a time, which stay in the cache."""
    weights, v, o = moved[..., None, :], np.ascontiguousarray(v)[:, :, None], o[..., None, :]
    if o.size * v.shape[-2] <= cells:
        return (weights @ _distance(v, o))[..., 0, :]
    result, rows = np.empty_like(o), max(1, cells // max(1, v.shape[-2] * v.shape[-1]))
    for b, h in np.ndindex(o.shape[:2]):
        for start in range(0, o.shape[2], rows):
            part = b, h, slice(start, start + rows)
            np.matmul(weights[part], _distance(v[b, h], o[part]), out=result[part])
    return result[..., 0, :]


def _distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    distance: np.ndarray = a - b
    return np.abs(distance, out=distance)

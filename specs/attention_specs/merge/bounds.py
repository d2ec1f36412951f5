"""The largest error of a merge, element by element; derived in `precision.md`, section 12."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from attention_specs.attention.bounds import DIVISION, EXP, LOG, MOST
from attention_specs.attention.reference_steps import finite, in_float64
from attention_specs.merge.inputs import MergeInputs
from attention_specs.merge.oracle import MergeReference
from attention_specs.precision import Units
from attention_specs.stopwatch import timed


@dataclass(frozen=True, eq=False)
class Inherited:
    """Errors that the parts already have: of their outputs [B, H, Lq, parts, Dv], and of their natural lse [B, H, Lq, parts]."""

    outs: np.ndarray
    lses: np.ndarray


class MergeBounds:
    """The bounds for one call of a merge whose roundings cost `u`, each worked out when it is asked for."""

    def __init__(self, x: MergeInputs, exact: MergeReference, u: Units, inherited: Inherited | None = None) -> None:
        self.x, self.exact, self.u, self.inherited = x, exact, u, inherited

    @cached_property
    @timed("bounds")
    @np.errstate(over="ignore", invalid="ignore")
    def scores(self) -> np.ndarray:
        """[B, H, Lq, parts]: largest error of the exponent of each part; 0 of an empty one."""
        u, z = self.u, in_float64(self.exact.scores)
        seen, top = z != -np.inf, finite(z.max(-1, keepdims=True))
        size = np.abs(np.where(seen, z, 0))
        turned = np.expm1(2 * u.a) * (size + np.abs(top))
        apart = np.expm1(3 * u.a + u.s) * np.where(seen, np.abs(z - top), 0)
        own = turned + apart + EXP * u.a + u.s
        return np.where(seen, own if self.inherited is None else own + self.inherited.lses, 0)

    @cached_property
    def _normaliser(self) -> tuple[np.ndarray, np.ndarray]:
        """The least and the greatest factor by which these errors change the sum of a row."""
        w, nothing = in_float64(self.exact.weights), self.exact.empty
        low, high = ((w * np.exp(np.minimum(sign * self.scores, MOST))).sum(-1) for sign in (-1, 1))
        return np.where(nothing, 1, low), np.where(nothing, 1, high)

    @cached_property
    def _common(self) -> np.ndarray:
        """[B, H, Lq]: the error that both weights share: of their sum, its logarithm, and the lse from which weights are made."""
        u = self.u
        by_lse = np.expm1(4 * u.a) * np.abs(finite(in_float64(self.exact.lse))) + np.expm1((LOG + 4) * u.a) * np.log(2)
        common: np.ndarray = (2 + DIVISION) * u.a + max(u.s, u.w) + by_lse
        return common

    @cached_property
    @timed("bounds")
    @np.errstate(over="ignore", invalid="ignore")
    def out(self) -> np.ndarray:
        """[B, H, Lq, Dv]."""
        u, exact, o = self.u, self.exact, in_float64(self.exact.out)
        values, w, d = in_float64(exact.values), in_float64(exact.weights), np.minimum(self.scores, MOST)
        heaviest = np.minimum(w * np.exp(d) / self._normaliser[0][..., None], 1)
        moved = w * np.expm1(d) / self._normaliser[0][..., None]
        through = (moved[..., None] * np.abs(values - o[..., None, :])).sum(3)
        sizes = (heaviest[..., None] * np.abs(values)).sum(3)
        terms = np.expm1((3 + DIVISION) * u.a + u.w + u.operand + u.read) * sizes
        whole = np.expm1(self._common)[..., None] * (np.abs(o) + through + terms)
        given = np.abs(np.where(np.isfinite(outs := in_float64(self.x.parts()[0])), outs, 0))
        apart = np.expm1(3 * u.a) * given.max(0)
        lost = u.tiny * given.sum(0) + 5 * u.tiny_sums
        brought = 0 if self.inherited is None else (heaviest[..., None] * self.inherited.outs).sum(3)
        error: np.ndarray = (through + terms + whole + apart + lost + brought) * np.exp(u.o) + np.expm1(u.o) * np.abs(o)
        return error + u.tiny_out

    @cached_property
    @timed("bounds")
    def weights(self) -> np.ndarray:
        """[B, H, Lq, parts]: nobody returns them."""
        return np.zeros(self.exact.weights.shape)

    @cached_property
    @timed("bounds")
    def lse(self) -> np.ndarray:
        """[B, H, Lq], in natural logarithms."""
        u, size = self.u, np.abs(finite(in_float64(self.exact.lse)))
        low, high = self._normaliser
        change = np.maximum(np.log(high), -np.log(low)) + 2 * u.a
        return change + np.expm1((LOG + 4) * u.a) * np.log(2) + np.expm1(6 * u.a + u.s) * size

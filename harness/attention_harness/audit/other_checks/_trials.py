"""Parts of other checks: one call with its judge, the reference that they share, and the rules that compare two arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from attention_specs.attention.inputs import Inputs
from attention_specs.attention.spec import call, lower

Attention = Callable[..., Any]
"""A function of a user. Its answer is judged as it comes: a judge that fails on it rejects it too."""
Step = Callable[[np.ndarray], np.ndarray]


def copied(x: Inputs) -> Inputs:
    """The same call on arrays of its own: what a function writes into its inputs must not reach the next one."""
    return x.replace(**{f.name: getattr(x, f.name).copy() for f in fields(x) if isinstance(getattr(x, f.name), np.ndarray)})


@dataclass(frozen=True, eq=False)
class Trial:
    """One call: `judge` says what it holds against the answer, or nothing; `fresh` gives the arrays of each call."""

    text: str
    x: Inputs
    judge: Callable[[np.ndarray], str]
    fresh: Callable[[Inputs], Inputs] = copied
    wanted: tuple[str, ...] = ()
    """Options that ask for more than the output, of a function that has them."""
    needs: tuple[str, ...] = ()
    """Options without which a function is not asked; all others are lowered as in a check."""

    def answer(self, attention: Attention, options: tuple[str, ...]) -> np.ndarray:
        """The answer of the function, asked in its own options. Raises the exceptions of the function."""
        asked = call(lower(self.fresh(self.x), options))
        return attention(*asked.arrays.values(), **asked.options, **{name: True for name in self.wanted if name in options})


def plain(x: Inputs, kept: Step = lambda a: a) -> np.ndarray:
    """softmax(q k^T / sqrt(d)) v in float32, every step passed through `kept`: [B, Hq, Lq, Dv] in the dtype of the query.

    The keys are scaled; then softcap, bias, mask, softmax; 0 in rows that see nothing. It knows neither scale nor sinks.
    """
    k, v = (np.repeat(a.astype(np.float32), x.group, axis=1) for a in (x.k, x.v))
    scores = kept(x.q.astype(np.float32) @ kept(k / np.float32(np.sqrt(x.q.shape[-1]))).swapaxes(-1, -2))
    if x.softcap is not None:
        scores = kept(kept(np.tanh(kept(scores / np.float32(x.softcap)))) * np.float32(x.softcap))
    biased = scores if x.bias is None else scores + x.bias.astype(np.float32)
    weights = kept(softmax(np.where(x.visible(), biased, np.float32(-np.inf))))
    return (weights @ v).astype(x.q.dtype)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Over the last axis; 0 in rows of -inf."""
    top = scores.max(-1, keepdims=True)
    powers = np.exp(scores - np.where(np.isneginf(top), 0, top))
    total = powers.sum(-1, keepdims=True)
    return powers / np.where(total == 0, 1, total)


def unlike(
    got: np.ndarray, wanted: np.ndarray, rtol: float, atol: float, base: np.ndarray | None = None, equal_nan: bool = False
) -> str:
    """The rule of allclose with shape and dtype: |got - wanted| <= atol + rtol * |base|; the base is `wanted` if not given."""
    if (got.shape, got.dtype) != (wanted.shape, wanted.dtype):
        return f"output={got.dtype}{list(got.shape)}, but should be {wanted.dtype}{list(wanted.shape)}"
    got, wanted = (a.astype(np.float32) if a.dtype.itemsize < 4 else a for a in (got, wanted))
    base = wanted if base is None else base.astype(wanted.dtype)
    error = np.abs(got - wanted)
    near = (got == wanted) | (np.isfinite(error) & (error <= atol + rtol * np.abs(base)))
    near = near | (np.isnan(got) & np.isnan(wanted)) if equal_nan else near
    if near.all():
        return ""
    worst = np.unravel_index(np.argmin(near), near.shape)
    return (
        f"output{list(map(int, worst))}={got[worst]:.6g}, but should be {wanted[worst]:.6g} within rtol={rtol:g}, atol={atol:g}"
    )

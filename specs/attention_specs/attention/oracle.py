"""The definition of attention, in float64 or better, in the order of attention.md: scale, softcap, bias, mask, softmax.

Slow and plain on purpose. No implementation may import it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from attention_specs.attention.inputs import Inputs
from attention_specs.formats import oracle_dtype
from attention_specs.stopwatch import timed


@dataclass(frozen=True, eq=False)
class Reference:
    """The right answer and the steps that the error bound needs. Shapes are those of the scores, [B, Hq, Lq, Lk], unless named."""

    out: np.ndarray
    """[B, Hq, Lq, Dv]; zeros in empty rows."""
    weights: np.ndarray
    """Rows sum to one, or to less where a sink takes its share, or are zero where nothing is visible."""
    lse: np.ndarray
    """[B, Hq, Lq], log of the sum of exp of the visible scores and the sink; -inf where there is none."""
    scaled: np.ndarray
    """scale * (q . k), before softcap and bias."""
    scores: np.ndarray
    """The input of the softmax; -inf where masked."""
    sink_weights: np.ndarray
    """[B, Hq, Lq], the share of the sink."""
    values: np.ndarray
    """v repeated over the group, [B, Hq, Lk, Dv], zero at keys that no query sees."""
    empty: np.ndarray
    """Bool [B, Hq, Lq]: rows that see no key."""


@timed("oracle")
def attention(x: Inputs) -> Reference:
    """The exact answer to one call, computed in float64, or in extended precision for float64 inputs."""
    work, visible = oracle_dtype(x.dtype), x.visible()
    k, v = (_cleaned(np.repeat(a, x.group, axis=1).astype(work), visible) for a in (x.k, x.v))
    scaled = _products(x.q.astype(work), k) * default_scale(x)
    scores = np.where(visible, _biased(_capped(scaled, x.softcap), x), -np.inf)
    weights, sink_weights, lse = softmax(scores, _sink_column(x, work))
    empty = np.logical_not(visible.any(-1))
    return Reference(weights @ v, weights, lse, scaled, scores, sink_weights, v, empty)


def default_scale(x: Inputs) -> Any:
    """The scale in use, in the oracle's dtype: as given, else 1/sqrt(D); 1 for D = 0, where every score is an empty sum."""
    number = oracle_dtype(x.dtype).type
    return number(x.scale) if x.scale is not None else 1 / np.sqrt(number(max(x.q.shape[-1], 1)))


def _cleaned(a: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """The array with 0 at keys that no query sees, whatever stands there, NaN included."""
    seen = np.any(visible, -2)[..., None]
    return a if seen.all() else np.where(seen, a, 0)


def _products(q: np.ndarray, k: np.ndarray) -> np.ndarray:
    return q @ k.swapaxes(-1, -2)


def _capped(scores: np.ndarray, softcap: float | None) -> np.ndarray:
    return scores if softcap is None else softcap * np.tanh(scores / softcap)


def _biased(scores: np.ndarray, x: Inputs) -> np.ndarray:
    return scores if x.bias is None else scores + x.bias.astype(scores.dtype)


def _sink_column(x: Inputs, work: np.dtype) -> np.ndarray:
    if x.sinks is None:
        return np.array(-np.inf, work)
    return x.sinks.astype(work)[:, None]


def softmax(scores: np.ndarray, sink: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, the sink's weight and the log-sum-exp over the last axis; all zero, and -inf, where nothing is there."""
    top = np.maximum(scores.max(-1, initial=-np.inf), sink)
    shift = np.where(np.isneginf(top), 0, top)
    powers, sink_power = np.exp(scores - shift[..., None]), np.exp(sink - shift)
    total = powers.sum(-1) + sink_power
    with np.errstate(divide="ignore"):
        lse = np.log(total) + shift
    total = np.where(total == 0, 1, total)
    return powers / total[..., None], sink_power / total, lse

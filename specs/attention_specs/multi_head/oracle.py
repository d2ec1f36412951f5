"""The definition of the multi-head layer, in float64 or better: project, split into heads, attend, join, project.

Shares only the softmax with the oracle of attention. No implementation may import it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attention_specs.attention.oracle import Reference, softmax
from attention_specs.formats import oracle_dtype
from attention_specs.multi_head.inputs import LayerInputs
from attention_specs.stopwatch import timed


@dataclass(frozen=True, eq=False)
class LayerReference:
    """The right answer and the steps that the error bound needs."""

    out: np.ndarray
    """[B, Lq, d]; b_o in rows that see no key in any head."""
    q: np.ndarray
    """[B, heads, Lq, d/heads], the projected query, turned by its positions where that is declared."""
    k: np.ndarray
    """[B, heads, Lk, d/heads]; zero at keys that no query of the head sees."""
    attention: Reference
    """Of each head; its `out` is [B, heads, Lq, d/heads]."""

    @property
    def empty(self) -> np.ndarray:
        """Bool [B, Lq]: rows in which some head sees no key."""
        rows: np.ndarray = np.any(self.attention.empty, 1)
        return rows


@timed("oracle")
def layer(x: LayerInputs) -> LayerReference:
    """The exact answer to one call, computed in float64, or in extended precision for float64 inputs."""
    work, visible = oracle_dtype(x.dtype), x.visible()
    q, k, v = (
        split(project(a.astype(work), w.astype(work), b.astype(work)), x.heads)
        for a, w, b in ((x.query, x.w_q, x.b_q), (x.key, x.w_k, x.b_k), (x.value, x.w_v, x.b_v))
    )
    if x.rotary is not None:
        q, k = x.rotary.turned(q), x.rotary.turned(k)
    seen = np.any(visible, -2)[..., None]
    attention = _attention(q, np.where(seen, k, 0), np.where(seen, v, 0), visible)
    return LayerReference(leave(x, attention.out), q, np.where(seen, k, 0), attention)


def project(a: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a @ w + b, [B, L, d]."""
    projection: np.ndarray = a @ w + b
    return projection


def split(a: np.ndarray, heads: int) -> np.ndarray:
    """[B, L, d] to [B, heads, L, d/heads]: head h has the h-th slice of the columns."""
    batch, length, d_model = a.shape
    return a.reshape(batch, length, heads, d_model // heads).transpose(0, 2, 1, 3)


def join(a: np.ndarray) -> np.ndarray:
    """The inverse of `split`."""
    batch, heads, length, head_dim = a.shape
    return a.transpose(0, 2, 1, 3).reshape(batch, length, heads * head_dim)


def leave(x: LayerInputs, heads_out: np.ndarray) -> np.ndarray:
    """The output projection [B, Lq, d] of the heads' outputs, [B, heads, Lq, d/heads]."""
    work = heads_out.dtype
    return project(join(heads_out), x.w_o.astype(work), x.b_o.astype(work))


def head_scale(x: LayerInputs) -> float:
    """1/sqrt(d_model/heads): the dimension of a head, not of the model."""
    return float(1 / np.sqrt(max(x.query.shape[2] // x.heads, 1)))


def _attention(q: np.ndarray, k: np.ndarray, v: np.ndarray, visible: np.ndarray) -> Reference:
    scaled = np.einsum("bhic,bhjc->bhij", q, k) / np.sqrt(q.dtype.type(max(q.shape[-1], 1)))
    scores = np.where(visible, scaled, -np.inf)
    weights, sink_weights, lse = softmax(scores, np.array(-np.inf, q.dtype))
    out = np.einsum("bhij,bhjc->bhic", weights, v)
    return Reference(out, weights, lse, scaled, scores, sink_weights, v, np.logical_not(visible.any(-1)))

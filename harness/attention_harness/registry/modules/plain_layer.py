"""A small layer written out in NumPy, by whose answers the readings of a module are told apart. It judges nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from attention_harness.registry.modules.sizes import Size
from attention_specs.multi_head.inputs import OF_KEYS, shared
from attention_specs.multi_head.rotary import Rotary

Arrays = dict[str, np.ndarray]

BATCH, LENGTH = 2, 5


@dataclass(frozen=True, eq=False)
class Example:
    """Arrays of a layer by their names, heads, and the keys that are seen, bool, broadcastable to [B, heads, L, L]."""

    arrays: Arrays
    heads: int
    seen: np.ndarray

    rotary: Rotary | None = None

    def turning(self, rotary: Rotary | None) -> Example:
        """The same with queries and keys turned by their positions."""
        return replace(self, rotary=rotary)

    def under(self, seen: np.ndarray) -> Example:
        """The same with another mask."""
        return replace(self, seen=seen)

    def answer(self, empty: float | None = None) -> np.ndarray:
        """[B, L, d], float64; a row that sees no key gives `empty` in each head, or the mean of all values."""
        a = self.arrays
        q, k, v = (self._split(a[name] @ a[f"w_{name[0]}"] + a[f"b_{name[0]}"]) for name in ("query", "key", "value"))
        if self.rotary:
            q, k = self.rotary.turned(q), self.rotary.turned(k)
        scores = np.where(self.seen, q @ k.swapaxes(-1, -2) * q.shape[-1] ** -0.5, -np.inf)
        blind = ~np.broadcast_to(self.seen, scores.shape).any(-1, keepdims=True)
        scores = np.where(blind, 0, scores)
        powers = np.exp(scores - scores.max(-1, keepdims=True))
        heads = powers / powers.sum(-1, keepdims=True) @ v
        heads = heads if empty is None else np.where(blind, empty, heads)
        joined = heads.swapaxes(1, 2).reshape(a["query"].shape)
        out: np.ndarray = joined @ a["w_o"] + a["b_o"]
        return out

    def _split(self, a: np.ndarray) -> np.ndarray:
        return a.reshape(*a.shape[:2], self.heads, -1).swapaxes(1, 2)


def example(size: Size, itself: bool, lacks: tuple[str, ...]) -> Example:
    """Random arrays, self-attention where the module knows no other, without what it lacks, all keys seen."""
    rng, (d_model, heads, key_heads) = np.random.default_rng(0), size
    arrays = {name: rng.standard_normal((BATCH, LENGTH, d_model)) for name in ("query", "key", "value")}
    arrays |= {f"w_{letter}": rng.standard_normal((d_model, d_model)) * d_model**-0.5 for letter in "qkvo"}
    arrays |= {f"b_{letter}": rng.standard_normal(d_model) for letter in "qkvo"}
    arrays |= {name: np.eye(d_model) if name.startswith("w") else np.zeros(d_model) for name in lacks}
    arrays |= {name: shared(arrays[name], heads, key_heads) for name in OF_KEYS if name not in lacks}
    if itself:
        arrays |= dict.fromkeys(("key", "value"), arrays["query"])
    return Example(arrays, heads, np.ones((1, 1, 1, 1), bool))


def random_mask(heads: int, axes: str) -> np.ndarray:
    """Bool, 1 in each axis that is not among `axes`, out of "bhqk"; every query sees a key."""
    sizes = zip("bhqk", (BATCH, heads, LENGTH, LENGTH), strict=True)
    seen = np.random.default_rng(1).random([size if axis in axes else 1 for axis, size in sizes]) < 0.5
    seen[..., 0] = True
    return seen

"""Masks: named predicates on (batch, head, query index, key index) that combine, and become arrays on demand.

A predicate gets four index arrays that broadcast against each other and returns where attention is allowed. An axis
that it does not look at stays of size 1 in the dense form, so each mask is delivered at its natural broadcast shape.

>>> window(1, 0).dense(1, 1, 3, 3)[0, 0].astype(int).tolist()
[[1, 0, 0], [1, 1, 0], [0, 1, 1]]
>>> (causal() & key_padding((2,))).dense(1, 1, 3, 3)[0, 0].astype(int).tolist()
[[1, 0, 0], [1, 1, 0], [1, 1, 0]]
>>> key_padding((2, 3)).dense(2, 4, 3, 3).shape, str(~window(1, 0))
((2, 1, 1, 3), '~window(1, 0)')
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from attention_specs.draws import Draws, uniform
from attention_specs.named import Kinds, Named
from attention_specs.registry import Registry

Predicate = Callable[[Any, Any, Any, Any], Any]

MASKS: Registry[Callable[..., Predicate]] = Registry("mask")


@dataclass(frozen=True)
class Mask(Named):
    """A named predicate."""

    factories = MASKS

    def dense(self, batch: int, heads: int, query_length: int, key_length: int) -> np.ndarray:
        """Bool array, True where attention is allowed, broadcastable to [batch, heads, query_length, key_length]."""
        b, h, i, j = np.ix_(*(np.arange(n) for n in (batch, heads, query_length, key_length)))
        return np.asarray(self.predicate(b, h, i, j), bool)

    @property
    def predicate(self) -> Predicate:
        """The predicate itself, on index arrays."""
        predicate: Predicate = self.made()
        return predicate

    def __and__(self, other: Mask) -> Mask:
        return Mask("both", (self, other))

    def __or__(self, other: Mask) -> Mask:
        return Mask("either", (self, other))

    def __invert__(self) -> Mask:
        return Mask("opposite", (self,))

    def __str__(self) -> str:
        operands = [str(argument) for argument in self.arguments]
        match self.kind:
            case "both":
                return " & ".join(operands)
            case "either":
                return f"({' | '.join(operands)})"
            case "opposite":
                return f"~{operands[0]}"
        return super().__str__()


mask = Kinds(Mask)


@mask
def both(left: Mask, right: Mask) -> Predicate:
    """Visible under both masks."""
    return lambda b, h, i, j: left.predicate(b, h, i, j) & right.predicate(b, h, i, j)


@mask
def either(left: Mask, right: Mask) -> Predicate:
    """Visible under one of the masks."""
    return lambda b, h, i, j: left.predicate(b, h, i, j) | right.predicate(b, h, i, j)


@mask
def opposite(inner: Mask) -> Predicate:
    """Visible where the inner mask hides."""
    return lambda b, h, i, j: ~inner.predicate(b, h, i, j)


@mask(draw=lambda d: ())
def everything() -> Predicate:
    """All keys are visible: must equal no mask at all."""
    return lambda b, h, i, j: j >= 0


@mask(draw=lambda d: (d.seed(), d.number("density", 0.5, 0.9, 0.1, 0.98), d.axes()))
def random(seed: int, density: float, axes: str) -> Predicate:
    """Each cell visible with probability `density`, varying along the named axes, a subset of "bhij"."""
    return lambda b, h, i, j: uniform(seed, *_only(axes, b, h, i, j)) < density


@mask(draw=lambda d: (d.position(d.shape.key_length),))
def hidden_key(key: int) -> Predicate:
    """All keys but one."""
    return lambda b, h, i, j: j != key


@mask(draw=lambda d: (d.lengths(d.shape.key_length),))
def key_padding(lengths: tuple[int, ...]) -> Predicate:
    """Of batch entry b, the first lengths[b] keys are visible."""
    return lambda b, h, i, j: j < np.asarray(lengths)[b]


@mask(draw=lambda d: (d.lengths(d.shape.query_length),))
def query_padding(lengths: tuple[int, ...]) -> Predicate:
    """Of batch entry b, the first lengths[b] queries see; the others see no key."""
    return lambda b, h, i, j: i < np.asarray(lengths)[b]


@mask(draw=lambda d: ())
def causal() -> Predicate:
    """Key j is visible to query i when j <= i (top-left aligned)."""
    return lambda b, h, i, j: j <= i


@mask.drawn
def bottom_right(d: Draws) -> Mask:
    """Causal, bottom-right aligned: the last query sees all keys."""
    return window(None, d.shape.key_length - d.shape.query_length)


@mask(draw=lambda d: d.window())
def window(left: int | None, right: int | None) -> Predicate:
    """Key j is visible to query i when i - left <= j <= i + right; None leaves that side open."""
    ahead = right if right is not None else np.iinfo(np.int64).max
    behind = left if left is not None else np.iinfo(np.int64).max
    return lambda b, h, i, j: (i - j <= behind) & (j - i <= ahead)


@mask
def window_at(positions: tuple[int, ...], left: int | None, right: int | None) -> Predicate:
    """The window of queries that start at another position in each entry: query i of entry b stands at positions[b] + i."""
    inner = window(left, right)
    return lambda b, h, i, j: inner.predicate(b, h, i + np.asarray(positions, np.int64)[b], j)


@mask
def prefix(length: int) -> Predicate:
    """The first `length` keys are visible to all (prefix-LM, joined with causal by |)."""
    return lambda b, h, i, j: j < length


@mask.drawn
def prefix_lm(d: Draws) -> Mask:
    """Causal, but for a prefix that all queries see."""
    return causal() | prefix(d.length(d.shape.key_length))


@mask(draw=lambda d: (max(1, d.length(d.shape.key_length)),))
def documents(length: int) -> Predicate:
    """Packed documents of `length` positions each: a query sees the keys of its own document."""
    return lambda b, h, i, j: i // length == j // length


def _block(d: Draws) -> tuple[int, int]:
    first = d.length(d.shape.key_length)
    return first, first + max(1, d.length(d.shape.key_length - first))


@mask(draw=_block)
def block(first: int, stop: int) -> Predicate:
    """Keys first <= j < stop are visible: whole blocks before and behind are hidden."""
    return lambda b, h, i, j: (j >= first) & (j < stop)


@mask(draw=lambda d: (d.position(d.shape.query_length),))
def hidden_query(query: int) -> Predicate:
    """One query sees nothing: an empty row among full ones."""
    return lambda b, h, i, j: i != query


def _only(axes: str, *indices: Any) -> list[Any]:
    return [index if name in axes else np.zeros((1, 1, 1, 1), int) for name, index in zip("bhij", indices, strict=True)]

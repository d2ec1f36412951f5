"""Pools of shapes. A run draws its cases over few shapes, new ones for each seed, because a shape is what costs: JAX
compiles each (100 ms and more), while masks, values and options over a known shape cost a tenth of a millisecond."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple


class Shape(NamedTuple):
    """The sizes of a problem."""

    batch: int
    query_heads: int
    key_heads: int
    query_length: int
    key_length: int
    head_dim: int
    value_dim: int

    @property
    def cells(self) -> int:
        """Scores, each of which costs head_dim + value_dim products."""
        return self.batch * self.query_heads * self.query_length * self.key_length


SMALL = (1, 2, 3, 4, 5, 7, 8, 9)
EDGES = (15, 16, 17, 31, 32, 33, 63, 64, 65, 97, 127, 128, 129)
LONG = (255, 256, 257, 511, 513, 1023, 1024, 1025, 2049)
DIMS = (1, 3, 7, 8, 9, 16, 32, 64, 65, 80, 96, 128, 129, 256)
BUDGET = 60_000
"""Scores of one case. Above, the batch and then the heads are cut."""

Lengths = Callable[[Random], tuple[int, int]]

REGIONS: dict[str, tuple[int, Lengths]] = {
    "small": (5, lambda r: (r.choice(SMALL), r.choice(SMALL))),
    "edges": (6, lambda r: (r.choice(EDGES), r.choice(EDGES))),
    "square": (3, lambda r: (r.choice(EDGES),) * 2),
    "cross": (3, lambda r: (r.choice(SMALL), r.choice(EDGES))),
    "more queries than keys": (3, lambda r: (r.choice(EDGES), r.choice(SMALL))),
    "decode": (2, lambda r: (1, r.choice(EDGES + LONG))),
    "few queries, long": (2, lambda r: (r.choice(SMALL), r.choice(LONG))),
    "many queries, long": (1, lambda r: (r.choice(LONG[:3]), r.choice(EDGES))),
}
"""Region -> weight and how its lengths are drawn."""


def pool(seed: int, size: int) -> list[Shape]:
    """`size` shapes, smallest first: each region in its share, wide batches and one empty size among them."""
    rng = Random(seed)
    names = [name for name, (weight, _) in REGIONS.items() for _ in range(weight)]
    rng.shuffle(names)
    shapes = {_shape(rng, REGIONS[names[n % len(names)]][1](rng)) for n in range(size - 2)}
    return sorted(shapes | {_wide(rng), _with_a_zero(rng)}, key=lambda s: (s.cells, s))


def _shape(rng: Random, lengths: tuple[int, int]) -> Shape:
    key_heads, group, head_dim = rng.choice((1, 1, 2, 3, 4)), rng.choice((1, 1, 2, 3)), rng.choice(DIMS)
    value_dim = head_dim if rng.random() < 0.6 else rng.choice(DIMS)
    return _within_budget(Shape(rng.choice((1, 2, 2, 3)), key_heads * group, key_heads, *lengths, head_dim, value_dim))


def _within_budget(shape: Shape) -> Shape:
    while shape.cells > BUDGET and (shape.batch > 1 or shape.query_heads > 1):
        if shape.batch > 1:
            shape = shape._replace(batch=shape.batch - 1)
        else:
            shape = shape._replace(query_heads=shape.query_heads // shape.key_heads, key_heads=1)
            shape = shape._replace(query_heads=1) if shape.cells > BUDGET else shape
    return shape


def _wide(rng: Random) -> Shape:
    """Many batch entries and heads: dispatch thresholds."""
    return Shape(rng.choice((9, 10, 11, 17)), 6, rng.choice((2, 6)), rng.choice(SMALL), rng.choice(SMALL[3:]), 8, 8)


def _with_a_zero(rng: Random) -> Shape:
    """One size is 0."""
    shape = Shape(2, 4, 2, 3, 5, 8, 8)
    name = rng.choice(("batch", "query_length", "key_length", "head_dim", "value_dim"))
    return shape._replace(**{name: 0})

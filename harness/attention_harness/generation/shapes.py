"""Pools of shapes. A run draws its cases over few shapes, new ones for each seed, because shapes are dear: JAX
compiles each (100 ms and more), while masks, values and options over a known shape cost a tenth of a millisecond."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import NamedTuple, TypeVar

Thing = TypeVar("Thing")


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
    def numbers(self) -> int:
        """Elements of the largest of q, k, v and the output."""
        rows = max(self.query_heads * self.query_length, self.key_heads * self.key_length)
        return self.batch * rows * max(self.head_dim, self.value_dim)

    @property
    def cells(self) -> int:
        """Scores, each of which costs head_dim + value_dim products."""
        return self.batch * self.query_heads * self.query_length * self.key_length

    @property
    def several_blocks(self) -> bool:
        """Whether many kernels divide both queries and keys."""
        return self.query_length > 8 and self.key_length > 32


SMALL = tuple(range(1, 15))
EDGES = (15, 16, 17, 23, 31, 32, 33, 50, 63, 64, 65, 100, 127, 128, 129)
LONG = (255, 256, 257, 511, 513, 1023, 1024)
LONGEST = (1025, 2047, 2049, 4095, 4096, 4097)
DIMS = (1, 3, 7, 8, 9, 16, 32, 64, 65, 80, 96, 128, 129, 256)
NARROW = (1, 3, 8, 16, 32, 64)
"""Dims of shapes with more than a thousand keys: wide ones would cost ten times as much and say little more."""
BUDGET = 55_000
"""Scores of one case, and half of the elements of its largest array. Above, the batch and then the heads are cut: a few
large cases took half of the time of a run, and smaller ones found all that they found."""


class Dealer:
    """Chooses at random, but each thing of a sequence once before any comes again: few draws, and none is forgotten."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.dealt: dict[Sequence[object], Iterator[int]] = {}
        """Things -> their places, in the order in which they come."""

    def choice(self, things: Sequence[Thing]) -> Thing:
        """One of the things."""
        from attention_harness.generation.sampling import cycle  # with Hypothesis, which a pool process never needs

        return things[next(self.dealt.setdefault(things, cycle(self.rng, range(len(things)))))]

    def size(self, edges: Sequence[int]) -> int:
        """One of the edges, or in half of the draws any number between them, evenly by order of magnitude."""
        if self.choice((True, False)):
            return self.choice(edges)
        low, high = min(edges), max(edges)
        return round(low * (high / low) ** self.rng.random())


Lengths = Callable[[Dealer], tuple[int, int]]

REGIONS: dict[str, tuple[int, Lengths]] = {
    "small": (5, lambda r: (r.choice(SMALL), r.choice(SMALL))),
    "edges": (6, lambda r: (r.size(EDGES), r.size(EDGES))),
    "square": (3, lambda r: (r.size(EDGES),) * 2),
    "cross": (3, lambda r: (r.choice(SMALL), r.size(EDGES))),
    "more queries than keys": (3, lambda r: (r.size(EDGES), r.choice(SMALL))),
    "one key": (1, lambda r: (r.choice(SMALL), 1)),
    "decode": (1, lambda r: (1, r.size(EDGES))),
    "decode, long": (2, lambda r: (1, r.size(LONGEST))),
    "few queries, long": (1, lambda r: (r.choice(SMALL), r.size(LONG))),
    "few queries, longest": (1, lambda r: (r.choice(SMALL), r.size(LONGEST))),
    "many queries, long": (1, lambda r: (r.size(LONG[:3]), r.size(EDGES))),
}
"""Region -> weight and how its lengths are drawn."""


HEADS = (*((key_heads, group) for key_heads in (1, 2, 3, 4) for group in (1, 2, 3)), (1, 8), (2, 5), (2, 8))
"""Key heads, and query heads to each, of half of the shapes."""
KEY_HEADS, GROUPS = (1, 2, 4, 8), (1, 3, 7, 8, 16)
"""Edges of the other half."""
EMPTY_AXES = (("batch",), ("query_heads", "key_heads"), ("query_length",), ("key_length",), ("head_dim",), ("value_dim",))
EMPTY = tuple(Shape(2, 4, 2, 3, 5, 8, 8)._replace(**dict.fromkeys(axes, 0)) for axes in EMPTY_AXES)
"""One size is 0; query heads without key heads would have nothing to read."""
UNGROUPED_EMPTY = tuple(shape._replace(key_heads=shape.query_heads) for shape in EMPTY if shape.key_heads)
RESIDUES = tuple(Shape(1, 2, 2, 16 + 5 * n % 16, 16 + 7 * n % 16, 16 + 3 * n % 16, 16 + 9 * n % 16) for n in range(16))
"""Every residue by 16 of lengths and dims, each beside other residues."""
FAR = (
    Shape(64, 2, 2, 3, 5, 8, 8),
    Shape(1, 128, 128, 1, 70, 8, 8),
    Shape(1, 128, 2, 1, 70, 8, 8),
    Shape(1, 1, 1, 8193, 3, 4, 4),
    Shape(1, 1, 1, 3, 8193, 4, 4),
    Shape(1, 2, 2, 3, 5, 576, 8),
    Shape(1, 2, 2, 3, 5, 8, 576),
)
"""Each size goes far by itself: batch, heads without and with groups of 64, queries, keys, dims of keys and of values."""
PUBLISHED = tuple(
    Shape(batch, query_heads, key_heads, 3, 7, head_dim, value_dim)
    for batch, query_heads, key_heads, head_dim, value_dim in (
        (5, 12, 12, 64, 64),  # GPT-2, BERT
        (9, 16, 16, 64, 64),  # BERT large, ViT-L
        (1, 25, 25, 64, 64),  # GPT-2 XL
        (1, 20, 20, 64, 64),  # Whisper large
        (1, 71, 1, 64, 64),  # Falcon 7B
        (2, 14, 2, 64, 64),  # Qwen 2 0.5B
        (1, 28, 4, 128, 128),  # Qwen 2 7B
        (1, 32, 8, 128, 128),  # Llama 3 8B
        (1, 64, 8, 128, 128),  # Llama 3 70B
        (1, 40, 40, 128, 128),  # Llama 2 13B
        (1, 32, 32, 80, 80),  # Phi-2
        (1, 32, 32, 96, 96),  # Phi-3 mini
        (1, 8, 4, 256, 256),  # Gemma 2 2B
        (1, 16, 16, 192, 128),  # DeepSeek V2 Lite
        (2, 8, 8, 40, 40),  # Stable Diffusion 1.5
        (1, 8, 8, 160, 160),
    )
)
"""Heads and dims that kernels are built for, of a few positions."""
TILES = ((64, 64), (128, 128), (3, 128), (3, 192), (3, 256), (3, 130), (128, 3))
"""Lengths in whole tiles, and two beyond one."""


def pool(seed: int, size: int, budget: int = BUDGET) -> list[Shape]:
    """`size` shapes, smallest first: each region in its share; wide batches, equal sizes and an empty size among them."""
    rng = Random(seed)
    deal = Dealer(rng)
    names = [name for name, (weight, _) in REGIONS.items() for _ in range(weight)]
    rng.shuffle(names)
    shapes = {_shape(deal, REGIONS[names[n % len(names)]][1](deal), budget) for n in range(size - 4)}
    return sorted(shapes | {_wide(deal, 1), _wide(deal, 2), _coinciding(deal), deal.choice(EMPTY)}, key=lambda s: (s.cells, s))


def _shape(deal: Dealer, lengths: tuple[int, int], budget: int) -> Shape:
    dims = DIMS if max(lengths) < LONGEST[0] else NARROW
    (key_heads, group), head_dim = _heads(deal), deal.size(dims)
    value_dim = head_dim if deal.choice((True, True, True, False, False)) else deal.size(dims[::-1])  # dealt apart
    return within_budget(Shape(deal.choice((1, 2, 3)), key_heads * group, key_heads, *lengths, head_dim, value_dim), budget)


def _heads(deal: Dealer) -> tuple[int, int]:
    return deal.choice(HEADS) if deal.choice((True, False)) else (deal.size(KEY_HEADS), deal.size(GROUPS))


def within_budget(shape: Shape, budget: int = BUDGET) -> Shape:
    """The shape with fewer batch entries, then fewer heads, where it would cost too much."""
    while _too_large(shape, budget) and (shape.batch > 1 or shape.query_heads > 1):
        if shape.batch > 1:
            shape = shape._replace(batch=shape.batch - 1)
        else:
            shape = shape._replace(query_heads=shape.query_heads // shape.key_heads, key_heads=1)
            shape = shape._replace(query_heads=1) if _too_large(shape, budget) else shape
    return shape


def _too_large(shape: Shape, budget: int) -> bool:
    return shape.cells > budget or shape.numbers > 2 * budget


def _wide(deal: Dealer, key_heads: int) -> Shape:
    """Many batch entries and heads: dispatch thresholds."""
    return Shape(deal.choice((9, 10, 11, 17)), 6, key_heads, deal.choice(SMALL), deal.choice(SMALL[3:]), 8, 8)


def _coinciding(deal: Dealer) -> Shape:
    """As many heads as batch entries, and one number for lengths and dims, so that sizes do not identify axes."""
    few, many = deal.choice((2, 3, 4)), deal.choice((8, 16, 32))
    return Shape(few, few, few, many, many, many, many)

"""Strategies over layers: Hypothesis draws structure, from a small pool of shapes; NumPy fills arrays from the seed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from random import Random
from typing import NamedTuple

from hypothesis import strategies as st

from attention_harness.generation.numbers import number
from attention_harness.generation.sampling import Strategies, cycle
from attention_harness.generation.strategies import AXES, SEEDS, layouts_dealt
from attention_specs import masks
from attention_specs.case import Case
from attention_specs.masks import Mask
from attention_specs.multi_head.inputs import ARRAYS
from attention_specs.multi_head.problem import LayerProblem
from attention_specs.multi_head.recipes import DRAWN


class Shape(NamedTuple):
    """The sizes of a layer; d_model = heads * head_dim."""

    batch: int
    heads: int
    query_length: int
    key_length: int
    head_dim: int


BATCHES = (1, 2, 3)
HEADS = (1, 2, 3, 4, 6)
LENGTHS = (1, 2, 3, 5, 8, 9, 16, 17, 33, 64, 65)
HEAD_DIMS = (1, 3, 8, 16, 64)
WIDEST = 128
"""Largest d_model: the oracle's products in extended precision take d_model^2 operations per position, and no library helps."""

EMPTY_SHARE = 0.03
"""How often a length is 0."""

SHARE_LAID_OUT = 0.125
"""How often an argument lies otherwise than contiguously."""


def layer_shape_pool(rng: Random, size: int) -> list[Shape]:
    """`size` shapes from which a run draws its cases.

    Of three, two have equal lengths, so that self-attention is possible, and one of these has an even number of heads,
    without which fast paths are not taken. One has a single number for batch and heads, and for lengths and head dim, so
    that sizes do not identify axes.
    """
    few, many = rng.choice((2, 3, 4)), rng.choice((8, 16))
    return [
        Shape(few, few, many, many, many),
        *(_shape(rng, square=index % 3 < 2, even=index % 3 == 0) for index in range(1, size)),
    ]


def _shape(rng: Random, square: bool, even: bool) -> Shape:
    query_length, key_length = (0 if rng.random() < EMPTY_SHARE else rng.choice(LENGTHS) for _ in range(2))
    heads = rng.choice([number for number in HEADS if not (even and number % 2)])
    head_dim = rng.choice([dim for dim in HEAD_DIMS if heads * dim <= WIDEST])
    return Shape(rng.choice(BATCHES), heads, query_length, query_length if square else key_length, head_dim)


def _one_of(draw: st.DrawFn, length: int) -> int:
    return int(draw(st.integers(0, max(length - 1, 0))))


MASK_KINDS: dict[str, Callable[[st.DrawFn, Shape], Mask | None]] = {
    "none": lambda draw, s: None,
    "everything": lambda draw, s: masks.everything(),
    "random": lambda draw, s: masks.random(draw(SEEDS), number(draw, "density", (0.2, 0.5, 0.9)), draw(st.sampled_from(AXES))),
    "causal": lambda draw, s: masks.causal(),
    "key_padding": lambda draw, s: masks.key_padding(tuple(_one_of(draw, s.key_length + 1) for _ in range(s.batch))),
    "hidden_key": lambda draw, s: masks.hidden_key(_one_of(draw, s.key_length)),
    "hidden_query": lambda draw, s: masks.hidden_query(_one_of(draw, s.query_length)),
    "block": lambda draw, s: masks.block(_one_of(draw, s.key_length), 1 + _one_of(draw, s.key_length)),
}
"""Kind of mask -> how it is drawn for a shape."""


def balanced(shapes: Sequence[Shape], dtypes: Collection[str]) -> Strategies:
    """Strategies that visit shapes, recipes, dtypes, masks and layouts evenly, for `sampling.draw`."""

    def strategies(rng: Random) -> Iterator[st.SearchStrategy[Case]]:
        decks = {recipe: cycle(rng, list(dtypes)) for recipe in DRAWN}
        to_itself = {shape: cycle(rng, (True, False)) for shape in shapes}
        kinds, laid_out = cycle(rng, list(MASK_KINDS)), layouts_dealt(rng, dict.fromkeys((*ARRAYS, "mask"), SHARE_LAID_OUT))
        for shape, recipe in zip(cycle(rng, shapes), cycle(rng, DRAWN), strict=False):
            yield layer_case(shape, next(decks[recipe]), recipe, next(kinds), next(to_itself[shape]), next(laid_out))

    return strategies


@st.composite
def layer_case(
    draw: st.DrawFn, shape: Shape, dtype: str, recipe: str, mask_kind: str, to_itself: bool, layouts: Mapping[str, str]
) -> Case:  # fmt: skip
    """A case of this structure; it attends to itself if lengths are equal, and a mask that is there lies as the layouts say."""
    mask = MASK_KINDS[mask_kind](draw, shape)
    batch, heads, query_length, key_length, head_dim = shape
    itself = to_itself and query_length == key_length
    problem = LayerProblem(batch, heads, query_length, key_length, heads * head_dim, dtype, mask, itself)
    there = {name: layout for name, layout in layouts.items() if name != "mask" or mask is not None}
    return Case(problem, recipe, draw(SEEDS), there)

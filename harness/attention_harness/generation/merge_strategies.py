"""Strategies over merges: a size each, of every recipe and dtype in turn."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from random import Random

from hypothesis import strategies as st

from attention_harness.generation.sampling import Strategies, cycle
from attention_harness.generation.strategies import SEEDS, layouts_dealt
from attention_specs.case import Case
from attention_specs.merge.inputs import ARRAYS
from attention_specs.merge.problem import MergeProblem
from attention_specs.merge.recipes import DRAWN

BATCHES, HEADS, LENGTHS, DIMS = (1, 2, 3), (1, 2, 3, 8), (1, 2, 5, 17, 33), (1, 3, 8, 16, 64)
SHARE_LAID_OUT = 0.1
"""How often an argument lies otherwise than contiguously."""


def balanced(dtypes: Collection[str]) -> Strategies:
    """Strategies that visit recipes, dtypes and layouts evenly, for `sampling.draw`."""

    def strategies(rng: Random) -> Iterator[st.SearchStrategy[Case]]:
        decks = {recipe: cycle(rng, list(dtypes)) for recipe in DRAWN}
        laid_out = layouts_dealt(rng, dict.fromkeys(ARRAYS, SHARE_LAID_OUT))
        for recipe in cycle(rng, DRAWN):
            yield merge_case(next(decks[recipe]), recipe, next(laid_out))

    return strategies


@st.composite
def merge_case(draw: st.DrawFn, dtype: str, recipe: str, layouts: Mapping[str, str]) -> Case:
    """A case of any size, of this recipe and dtype."""
    batch, heads, length, dim = (draw(st.sampled_from(choices)) for choices in (BATCHES, HEADS, LENGTHS, DIMS))
    return Case(MergeProblem(batch, heads, length, dim, dtype), recipe, draw(SEEDS), dict(layouts))

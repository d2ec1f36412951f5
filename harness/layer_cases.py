"""Which layers are asked: Hypothesis draws structure, from a small pool of shapes; NumPy fills arrays from the seed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from random import Random

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from harness.cases import AXES, layouts_of
from specs import masks
from specs.masks import Mask
from specs.multi_head_inputs import ARRAYS
from specs.multi_head_problem import LayerProblem
from specs.multi_head_recipes import LAYER_DRAWN
from specs.problem import Case

Shape = tuple[int, int, int, int, int]
"""(batch, heads, query length, key length, head dim); d_model = heads * head dim."""

BATCHES = (1, 2, 3)
HEADS = (1, 2, 3, 4, 6)
LENGTHS = (1, 2, 3, 5, 8, 9, 16, 17, 33, 64, 65)
HEAD_DIMS = (1, 3, 8, 16, 64)
WIDEST = 128
"""Largest d_model: the oracle's products in extended precision take d_model^2 operations per position, and no library helps."""

EMPTY_SHARE = 0.03
"""How often a length is 0."""

SEEDS = st.integers(0, 2**32 - 1)


def layer_shape_pool(rng: Random, size: int) -> list[Shape]:
    """`size` shapes from which a run draws its cases.

    Of three, two have equal lengths, so that self-attention is possible, and one of these has an even number of heads,
    without which fast paths are not taken. One has a single number for batch and heads, and for lengths and head dim: who
    tells axes apart by their sizes cannot.
    """
    few, many = rng.choice((2, 3, 4)), rng.choice((8, 16))
    return [(few, few, many, many, many), *(_shape(rng, square=index % 3 < 2, even=index % 3 == 0) for index in range(1, size))]


def _shape(rng: Random, square: bool, even: bool) -> Shape:
    query_length, key_length = (0 if rng.random() < EMPTY_SHARE else rng.choice(LENGTHS) for _ in range(2))
    heads = rng.choice([number for number in HEADS if not (even and number % 2)])
    head_dim = rng.choice([dim for dim in HEAD_DIMS if heads * dim <= WIDEST])
    return rng.choice(BATCHES), heads, query_length, query_length if square else key_length, head_dim


def layer_cases(shapes: Sequence[Shape], dtypes: Collection[str], options: Collection[str]) -> SearchStrategy[Case]:
    """Cases over these shapes and dtypes; with masks where "mask" is among the options."""
    problems = st.sampled_from(list(shapes)).flatmap(lambda shape: _problems(shape, dtypes, "mask" in options))
    return st.builds(Case, problems, st.sampled_from(LAYER_DRAWN), SEEDS, _layouts())


def _problems(shape: Shape, dtypes: Collection[str], masked: bool) -> SearchStrategy[LayerProblem]:
    batch, heads, query_length, key_length, head_dim = shape
    return st.builds(
        LayerProblem,
        batch=st.just(batch),
        heads=st.just(heads),
        query_length=st.just(query_length),
        key_length=st.just(key_length),
        d_model=st.just(heads * head_dim),
        dtype=st.sampled_from(list(dtypes)),
        mask=_masks(shape) if masked else st.none(),
        self_attention=st.booleans() if query_length == key_length else st.just(False),
    )


def _masks(shape: Shape) -> SearchStrategy[Mask | None]:
    """None first: what fails without a mask is shown without one."""
    batch, _, query_length, key_length, _ = shape
    key = st.integers(0, max(key_length - 1, 0))
    return st.one_of(
        st.none(),
        st.just(masks.everything()),
        st.builds(masks.random, SEEDS, st.sampled_from((0.2, 0.5, 0.9)), st.sampled_from(AXES)),
        st.just(masks.causal()),
        st.builds(masks.key_padding, st.tuples(*[st.integers(0, key_length)] * batch)),
        st.builds(masks.hidden_key, key),
        st.builds(masks.hidden_query, st.integers(0, max(query_length - 1, 0))),
        st.builds(masks.block, key, st.integers(1, max(key_length, 1))),
    )


def _layouts() -> SearchStrategy[dict[str, str]]:
    """A few arguments lie otherwise; most are contiguous."""
    choices = [(name, layout) for name in (*ARRAYS, "mask") for layout in layouts_of(name)]
    return st.lists(st.sampled_from(choices), max_size=3).map(dict)

"""Attention over three words, as published introductions work it out by hand: embeddings, projections, expected output.

Each row of the embeddings is a word; queries, keys and values are the embeddings times the three matrices below; one
head, scale 1/sqrt(4). The expected output is given to sixteen digits.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from attention_specs.attention.inputs import Inputs
from attention_specs.attention.problem import Problem
from attention_specs.attention.recipes import Arrays, named_recipe
from attention_specs.case import Case
from attention_specs.judge import Verdict, within
from attention_specs.multi_head.inputs import LayerInputs
from attention_specs.multi_head.problem import LayerProblem
from attention_specs.multi_head.recipes import named_recipe as layer_recipe
from attention_specs.property import Attend, property_

WORDS = ("she", "likes", "coffee")
EMBEDDINGS = np.array([(0.2, 0.9, 0.1, 0.5), (0.8, 0.3, 0.7, 0.2), (0.4, 0.6, 0.3, 0.9)])
QUERY_WEIGHTS = KEY_WEIGHTS = 0.8 * np.eye(4) + 0.1
VALUE_WEIGHTS = np.array([(0.8, 0.2, 0.1, 0.1), (0.2, 0.8, 0.2, 0.1), (0.1, 0.2, 0.8, 0.1), (0.1, 0.1, 0.1, 0.9)])
EXPECTED = np.array(
    [
        (0.5753029414667397, 0.7052738074933219, 0.5053029414667397, 0.6417754637358185),
        (0.600194793577276, 0.6882273734162184, 0.530194793577276, 0.6191615535382003),
        (0.5815501129286938, 0.700783300322127, 0.5115501129286938, 0.6465921514761199),
    ]
)
PUBLISHED_DIGITS = 0.5e-16
"""Half a unit in the last digit that is given."""


@named_recipe
def three_words(rng: np.random.Generator, p: Problem) -> Arrays:
    """The queries, keys and values of the three words, whatever the seed."""
    q, k, v = (np.asarray(EMBEDDINGS @ weights)[None, None] for weights in (QUERY_WEIGHTS, KEY_WEIGHTS, VALUE_WEIGHTS))
    return q, k, v


@layer_recipe
def three_words_layer(rng: np.random.Generator, p: LayerProblem) -> dict[str, np.ndarray]:
    """The three words in a layer of one head with these projections, no biases, and the identity behind it."""
    words = dict.fromkeys(("query", "key", "value"), EMBEDDINGS[None])
    weights = {"w_q": QUERY_WEIGHTS, "w_k": KEY_WEIGHTS, "w_v": VALUE_WEIGHTS, "w_o": np.eye(4)}
    return words | weights | dict.fromkeys(("b_q", "b_k", "b_v", "b_o"), np.zeros(4))


ATTENTION = Problem(query_length=3, key_length=3, head_dim=4, value_dim=4)
LAYER = LayerProblem(query_length=3, key_length=3, d_model=4, self_attention=True)
CASES = {
    "attention": [Case(replace(ATTENTION, dtype=dtype), "three_words") for dtype in ("float64", "float32")],
    "merge": [],
    "multi-head": [Case(replace(LAYER, dtype=dtype), "three_words_layer") for dtype in ("float64", "float32")],
}
"""Spec -> its named cases."""


def _has_the_words(x: Inputs) -> bool:
    values = (EMBEDDINGS @ VALUE_WEIGHTS).astype(x.v.dtype)
    return x.v.shape == (1, 1, 3, 4) and np.array_equal(x.v[0, 0], values)


@property_("E1", needs=_has_the_words)
def worked_example(attend: Attend, x: Inputs) -> Verdict:
    """Three words, worked out by hand, come out digit by digit; in float32 after rounding the inputs."""
    return _as_published(attend, x, x.dtype)


def _as_published(attend: Attend, x: Inputs | LayerInputs, dtype: str) -> Verdict:
    expected = attend.expected(x)
    rounded = np.abs(expected.out - EXPECTED) if dtype != "float64" else 0.0
    wanted = np.broadcast_to(EXPECTED, expected.out.shape)
    return within(attend(x), wanted, expected.bounds.out + rounded + PUBLISHED_DIGITS)


def _layer_has_the_words(x: LayerInputs) -> bool:
    return x.rotary is None and x.query.shape == (1, 3, 4) and np.array_equal(x.query[0], EMBEDDINGS.astype(x.query.dtype))


@property_("L0", needs=_layer_has_the_words, spec="multi-head")
def layer_worked_example(attend: Attend, x: LayerInputs) -> Verdict:
    """The same three words through a layer of one head with the example's projections."""
    return _as_published(attend, x, x.dtype)

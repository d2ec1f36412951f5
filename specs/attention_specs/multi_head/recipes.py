"""Recipes of a layer's values. Weights are N(0, 1/d_model), so that a projection keeps the size of its input; biases are
N(0, 0.1). A recipe changes some of these and returns float64 arrays by argument name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from attention_specs.multi_head.problem import LayerProblem
from attention_specs.registry import Registry

Arrays = dict[str, np.ndarray]
Recipe = Callable[[np.random.Generator, LayerProblem], Arrays]

LAYER_RECIPES: Registry[Recipe] = Registry("recipe")
named_recipe = LAYER_RECIPES.register
"""Registers the recipe of a named case."""
DRAWN: list[str] = []
"""Names of the recipes that fit every problem; the others belong to named cases."""

PROJECTIONS = "qkvo"
BIAS_SIZE = 0.1


def recipe(function: Recipe) -> Recipe:
    """Registers a recipe that fits every problem under its own name."""
    DRAWN.append(function.__name__)
    return named_recipe(function)


@recipe
def normal(rng: np.random.Generator, p: LayerProblem) -> Arrays:
    """Standard normal inputs: scores of spread about 1."""
    lengths = {"query": p.query_length, "key": p.key_length, "value": p.key_length}
    arrays = {name: rng.standard_normal((p.batch, length, p.d_model)) for name, length in lengths.items()}
    weights = {f"w_{n}": rng.standard_normal((p.d_model, p.d_model)) / np.sqrt(max(p.d_model, 1)) for n in PROJECTIONS}
    return arrays | weights | {f"b_{n}": BIAS_SIZE * rng.standard_normal(p.d_model) for n in PROJECTIONS}


@recipe
def uniform(rng: np.random.Generator, p: LayerProblem) -> Arrays:
    """Inputs uniform in [0, 1): all positive."""
    arrays = normal(rng, p)
    return arrays | {name: rng.random(arrays[name].shape) for name in ("query", "key", "value")}


@recipe
def steep(rng: np.random.Generator, p: LayerProblem) -> Arrays:
    """Scores of spread 8: few keys count, and errors in a score are magnified."""
    arrays = normal(rng, p)
    return arrays | {"w_q": 8 * arrays["w_q"]}


@recipe
def flat(rng: np.random.Generator, p: LayerProblem) -> Arrays:
    """Scores of spread 0.1: all keys count alike, so a lost or doubled one shows."""
    arrays = normal(rng, p)
    return arrays | {"w_q": 0.1 * arrays["w_q"], "b_q": 0.1 * arrays["b_q"]}


@recipe
def same_values(rng: np.random.Generator, p: LayerProblem) -> Arrays:
    """Values that do not depend on the key: their projection must come back."""
    arrays = normal(rng, p)
    return arrays | {"value": np.broadcast_to(arrays["value"][:, :1], arrays["value"].shape).copy()}


@recipe
def positive_values(rng: np.random.Generator, p: LayerProblem) -> Arrays:
    """Positive values and value weights: biased rounding adds up instead of cancelling."""
    arrays = normal(rng, p)
    return arrays | {name: np.abs(arrays[name]) for name in ("value", "w_v", "b_v")}


@recipe
def identity_projections(rng: np.random.Generator, p: LayerProblem) -> Arrays:
    """Weights I, biases 0: the layer is attention on slices of its inputs, and each projection is exact."""
    weights = {f"w_{n}": np.eye(p.d_model) for n in PROJECTIONS}
    return normal(rng, p) | weights | {f"b_{n}": np.zeros(p.d_model) for n in PROJECTIONS}


@recipe
def exchanged_heads(rng: np.random.Generator, p: LayerProblem) -> Arrays:
    """Projections that hand each head the slice of another, and w_o that puts it back: exact, and heads must stay in order."""
    order = np.arange(p.d_model).reshape(p.heads, p.head_dim)[rng.permutation(p.heads)].ravel()
    exchange = np.eye(p.d_model)[:, order]
    return identity_projections(rng, p) | {"w_q": exchange, "w_k": exchange, "w_v": exchange, "w_o": exchange.T}


@recipe
def loud_heads(rng: np.random.Generator, p: LayerProblem) -> Arrays:
    """Each head's scores are twice as steep as those of the one before: heads differ, and so do their weights."""
    arrays = normal(rng, p)
    return arrays | {"w_q": arrays["w_q"] * np.repeat(2.0 ** np.arange(p.heads), p.head_dim)}


@recipe
def shifted_keys(rng: np.random.Generator, p: LayerProblem) -> Arrays:
    """A large key bias: a row of scores is shifted by one number, and the weights must not notice."""
    arrays = normal(rng, p)
    return arrays | {"b_k": 100 * arrays["b_k"]}


LEVELS = (150.0, 1.1e4, 5.1e4)
"""Sizes of scores that every dtype holds behind a projection, just beyond the fillers that layers put at hidden keys."""


def _levelled(rng: np.random.Generator, p: LayerProblem, sign: float) -> Arrays:
    """Products of projected queries and keys near a level, by one channel of each head in their biases; values of one sign."""
    arrays, root = positive_values(rng, p), np.sqrt(rng.choice(LEVELS))
    last = np.arange(p.d_model) % max(p.head_dim, 1) == p.head_dim - 1
    weights = {name: np.where(last, 0, arrays[name]) for name in ("w_q", "w_k")}
    return arrays | weights | {"b_q": np.where(last, root, arrays["b_q"]), "b_k": np.where(last, sign * root, arrays["b_k"])}


@recipe
def low_scores(rng: np.random.Generator, p: LayerProblem) -> Arrays:
    """Rows far below 0: hidden keys must stay below them."""
    return _levelled(rng, p, -1.0)


@recipe
def high_scores(rng: np.random.Generator, p: LayerProblem) -> Arrays:
    """Rows far above 0."""
    return _levelled(rng, p, 1.0)


@recipe
def one_memory(rng: np.random.Generator, p: LayerProblem) -> Arrays:
    """Values that are the keys and not the queries, as in cross-attention: projections of both may be packed."""
    arrays = normal(rng, p)
    return arrays | {"value": arrays["key"]}


@recipe
def positions(rng: np.random.Generator, p: LayerProblem) -> Arrays:
    """Queries that are the keys and not the values, as where positions are added to these two alone; needs equal lengths."""
    arrays = normal(rng, p)
    return arrays | {"key": arrays["query"]} if p.query_length == p.key_length else arrays

"""Recipes of values: each fills queries, keys and values so that a certain kind of error shows.

A recipe returns float64 arrays; `inputs.realise` rounds them to the problem's dtype before anything is computed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from attention_specs.attention.problem import Problem
from attention_specs.formats import accumulator, is_narrow, largest, smallest_normal
from attention_specs.registry import Registry

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
Recipe = Callable[[np.random.Generator, Problem], Arrays]

RECIPES: Registry[Recipe] = Registry("recipe")
named_recipe = RECIPES.register
"""Registers the recipe of a named case."""
DRAWN: list[str] = []
"""Names of the recipes that fit every problem; the others belong to named cases."""


def recipe(function: Recipe) -> Recipe:
    """Registers a recipe that fits every problem under its own name."""
    DRAWN.append(function.__name__)
    return named_recipe(function)


def _shapes(p: Problem) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    keys = (p.batch, p.key_heads, p.key_length)
    return (p.batch, p.query_heads, p.query_length, p.head_dim), (*keys, p.head_dim), (*keys, p.value_dim)


@recipe
def normal(rng: np.random.Generator, p: Problem) -> Arrays:
    """Standard normal: scores of spread about 1."""
    q, k, v = (rng.standard_normal(shape) for shape in _shapes(p))
    return q, k, v


@recipe
def uniform(rng: np.random.Generator, p: Problem) -> Arrays:
    """Uniform in [0, 1): all positive, nearly flat weights; sums that all add up."""
    q, k, v = (rng.random(shape) for shape in _shapes(p))
    return q, k, v


@recipe
def flat(rng: np.random.Generator, p: Problem) -> Arrays:
    """Scores of spread 0.1: all keys count alike, so a lost or doubled one shows."""
    q, k, v = normal(rng, p)
    return 0.1 * q, k, v


@recipe
def steep(rng: np.random.Generator, p: Problem) -> Arrays:
    """Scores of spread 8: few keys count, and errors in a score are magnified."""
    q, k, v = normal(rng, p)
    return 8 * q, k, v


@recipe
def peaked(rng: np.random.Generator, p: Problem) -> Arrays:
    """Each query is close to one key of its own, as in retrieval: weights near 0 and 1."""
    q, k, v = normal(rng, p)
    group = p.query_heads // max(p.key_heads, 1)
    if k.size and q.size:
        target = np.repeat(k, group, axis=1)[:, :, rng.integers(p.key_length, size=p.query_length)]
        q = 0.1 * q + 6 / np.sqrt(p.head_dim) * target
    return q, k, v


def _ramp(rng: np.random.Generator, p: Problem, order: int) -> Arrays:
    q, k, v = normal(rng, p)
    step = np.linspace(0, 30, p.key_length)[::order, None]
    direction = rng.choice([-1.0, 1.0], p.head_dim) / np.sqrt(max(p.head_dim, 1))
    return 0.3 * q + direction * np.sqrt(np.sqrt(max(p.head_dim, 1))), 0.3 * k + step * direction, v


@recipe
def rising(rng: np.random.Generator, p: Problem) -> Arrays:
    """Scores that rise with the key index: the maximum comes last, and a running maximum changes in every block."""
    return _ramp(rng, p, 1)


@recipe
def falling(rng: np.random.Generator, p: Problem) -> Arrays:
    """Scores that fall with the key index: all weights after the first block are nearly 0."""
    return _ramp(rng, p, -1)


@recipe
def ties(rng: np.random.Generator, p: Problem) -> Arrays:
    """Keys from a set of two: many scores are exactly equal."""
    q, k, v = normal(rng, p)
    if p.key_length:
        k = k[:, :, rng.integers(min(2, p.key_length), size=p.key_length)]
    return q, k, v


@recipe
def same_values(rng: np.random.Generator, p: Problem) -> Arrays:
    """Values that do not depend on the key: they must come back."""
    q, k, v = normal(rng, p)
    return q, k, np.broadcast_to(v[:, :, :1], v.shape).copy()


@recipe
def one_hot_values(rng: np.random.Generator, p: Problem) -> Arrays:
    """Value c is 1 at one key and 0 elsewhere: the output is a row of weights."""
    q, k, v = normal(rng, p)
    return q, k, np.broadcast_to(np.eye(p.key_length, p.value_dim), v.shape).copy()


@recipe
def deltas(rng: np.random.Generator, p: Problem) -> Arrays:
    """Queries and keys are multiples of unit vectors: exact scores, 0 nearly everywhere, large on a diagonal."""
    _, _, v = normal(rng, p)
    lines = [
        9 * np.eye(max(p.head_dim, 1))[np.arange(n) % max(p.head_dim, 1)][:, : p.head_dim] for n in (p.query_length, p.key_length)
    ]
    q, k, _ = (np.zeros(shape) for shape in _shapes(p))
    return q + lines[0], k + lines[1], v


@recipe
def positive_values(rng: np.random.Generator, p: Problem) -> Arrays:
    """Positive values of one size: biased rounding adds up instead of cancelling (Qiu and Yao 2025)."""
    q, k, v = normal(rng, p)
    return q, k, 1 + np.abs(v) / 8


@recipe
def heavy_tails(rng: np.random.Generator, p: Problem) -> Arrays:
    """Student's t with 2 degrees of freedom: some entries are far larger than the rest."""
    q, k, v = (np.clip(rng.standard_t(2, shape), -50, 50) for shape in _shapes(p))
    return q, k, v


@recipe
def shifted_keys(rng: np.random.Generator, p: Problem) -> Arrays:
    """All keys share a large common part: a row of scores is shifted, and the weights must not notice."""
    q, k, v = normal(rng, p)
    return q, k + 10 * rng.standard_normal((1, 1, 1, p.head_dim)), v


@recipe
def tiny(rng: np.random.Generator, p: Problem) -> Arrays:
    """Values near the smallest normal number, some below it."""
    q, k, v = normal(rng, p)
    return q, k, v * 4 * smallest_normal(p.dtype)


@recipe
def huge_values(rng: np.random.Generator, p: Problem) -> Arrays:
    """Values so large that their sum just stays in the range of the accumulator, and any further factor does not."""
    q, k, v = normal(rng, p)
    return q, k, np.clip(v, -2, 2) * min(largest(p.dtype) / 8, largest(accumulator(p.dtype)) / 8 / max(p.key_length, 1))


@recipe
def huge_scores(rng: np.random.Generator, p: Problem) -> Arrays:
    """Scores of some hundreds: exp overflows unless the maximum is taken off first."""
    q, k, v = normal(rng, p)
    return 16 * q, 16 * k, v


@recipe
def signed_zeros(rng: np.random.Generator, p: Problem) -> Arrays:
    """Small integers with many zeros of both signs."""
    q, k, v = (np.copysign(rng.integers(0, 3, shape), rng.standard_normal(shape)) for shape in _shapes(p))
    return q, k, v


LEVELS = (150.0, 1.1e4, 5.1e4, 1e5, 1e6)
"""Sizes of scores just beyond the numbers at which kernels start a running maximum or hide keys.

None is near the ends of the range: a fused `scale q k - m`, which compilers make of right code (XLA, FlashAttention), keeps
the rounding of m there, 1e30, and its exponential is infinite or 0. Only a bias can lower scores so far exactly (T5).
"""
MOST_SCORE = 5.1e4
"""Largest product where scores may be stored in float16."""
COMMON = 8.0
"""The common part of these recipes' values, so that a lost row shows however little is known of its weights."""


def _places(rng: np.random.Generator, keys: int) -> np.ndarray:
    """Bool [keys]: the whole row, its first or last tile, one key, or all keys but one."""
    index, tile, one = np.arange(keys), rng.choice([16, 32, 64, max(keys // 2, 1)]), rng.integers(max(keys, 1))
    places = (index >= 0, index < tile, index >= keys - tile, index == one, index != one)
    return places[rng.choice(len(places), p=(0.4, 0.15, 0.15, 0.15, 0.15))]


def _levelled(rng: np.random.Generator, p: Problem, level: float, places: np.ndarray) -> Arrays:
    """Products of queries and keys, or scaled scores, near this level at these places, by the last channel of both alone."""
    q, k, v = normal(rng, p)
    scale = (p.scale or 1.0) if p.scale is not None else max(p.head_dim, 1) ** -0.5
    most = MOST_SCORE if is_narrow(p.dtype) else largest(accumulator(p.dtype)) / 8
    product = min(abs(level) / rng.choice([1.0, abs(scale)]), most / max(1.0, abs(scale)))
    if p.head_dim:
        q[..., -1] = np.sqrt(product)
        k[..., -1] = np.sign(level * scale) * np.sqrt(product) * places
    return q, k, COMMON + v


@recipe
def low_scores(rng: np.random.Generator, p: Problem) -> Arrays:
    """Rows, or parts of them, far below 0: below the start of a running maximum, or below the fillers at hidden keys."""
    return _levelled(rng, p, -rng.choice(LEVELS), _places(rng, p.key_length))


@recipe
def high_scores(rng: np.random.Generator, p: Problem) -> Arrays:
    """Rows, or parts of them, far above 0: no score may be cut off or overflow before the maximum is taken off."""
    return _levelled(rng, p, rng.choice(LEVELS), _places(rng, p.key_length))


def _rows_at(level: float) -> Recipe:
    def rows(rng: np.random.Generator, p: Problem) -> Arrays:
        return _levelled(rng, p, level, np.ones(p.key_length, bool))

    rows.__name__, rows.__doc__ = f"rows_at_{level:g}", f"All scores near {level:g}, or near what the range allows."
    return named_recipe(rows)


ROWS_AT = {level: _rows_at(level).__name__ for size in LEVELS for level in (-size, size)}
"""Level -> the named recipe of whole rows at it."""

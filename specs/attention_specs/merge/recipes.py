"""Recipes of the parts that are merged: each fills outputs and log-sum-exps so that a certain kind of error shows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from attention_specs.formats import largest, smallest_normal
from attention_specs.merge.problem import MergeProblem
from attention_specs.registry import Registry

Arrays = dict[str, np.ndarray]
Recipe = Callable[[np.random.Generator, MergeProblem], Arrays]

RECIPES: Registry[Recipe] = Registry("recipe")
DRAWN: list[str] = []
"""Names of the recipes that fit every problem: all of them."""

NAMES = ("a", "b")


def recipe(function: Recipe) -> Recipe:
    """Registers a recipe under its own name."""
    DRAWN.append(function.__name__)
    return RECIPES.register(function)


@recipe
def normal(rng: np.random.Generator, p: MergeProblem) -> Arrays:
    """Standard normal outputs, and log-sum-exps of spread 1: both parts count."""
    shape = p.score_shape[:3]
    outs = {f"out_{name}": rng.standard_normal((*shape, p.value_dim)) for name in NAMES}
    return outs | {f"lse_{name}": 2 + rng.standard_normal(shape) for name in NAMES}


@recipe
def uniform(rng: np.random.Generator, p: MergeProblem) -> Arrays:
    """Outputs in [1, 2), log-sum-exps in [0, 1): a lost or doubled part shows in every element."""
    arrays = normal(rng, p)
    return {name: name.startswith("out") + rng.random(a.shape) for name, a in arrays.items()}


@recipe
def far_apart(rng: np.random.Generator, p: MergeProblem) -> Arrays:
    """One part far above the other, by 5 to 500: its exponential alone overflows, and the other's underflows."""
    arrays = normal(rng, p)
    distance = rng.choice([-1.0, 1.0], p.score_shape[:3]) * rng.choice([5.0, 20.0, 90.0, 500.0], p.score_shape[:3])
    return arrays | {"lse_b": arrays["lse_a"] + distance}


@recipe
def far_from_zero(rng: np.random.Generator, p: MergeProblem) -> Arrays:
    """Log-sum-exps of one row near a number of some hundreds or thousands: only their difference counts."""
    arrays, shape = normal(rng, p), p.score_shape[:3]
    level = rng.choice([-1.0, 1.0], shape) * rng.choice([100.0, 1000.0, 2e4], shape)
    return arrays | {name: level + arrays[name] for name in ("lse_a", "lse_b")}


@recipe
def equal(rng: np.random.Generator, p: MergeProblem) -> Arrays:
    """Equal log-sum-exps and nearly opposite outputs: half of each, which cancel."""
    arrays = normal(rng, p)
    return arrays | {"lse_b": arrays["lse_a"], "out_b": 0.01 * arrays["out_b"] - arrays["out_a"]}


@recipe
def same_outputs(rng: np.random.Generator, p: MergeProblem) -> Arrays:
    """One output twice: it must come back."""
    arrays = normal(rng, p)
    return arrays | {"out_b": arrays["out_a"]}


@recipe
def empty_parts(rng: np.random.Generator, p: MergeProblem) -> Arrays:
    """Rows that have no keys in one part, in the other or in both: zeros and -inf."""
    arrays = normal(rng, p)
    kind = rng.integers(4, size=p.score_shape[:3])
    for number, name in enumerate(NAMES):
        empty = (kind == number) | (kind == 2)
        arrays[f"lse_{name}"] = np.where(empty, -np.inf, arrays[f"lse_{name}"])
        arrays[f"out_{name}"] = np.where(empty[..., None], 0.0, arrays[f"out_{name}"])
    return arrays


@recipe
def one_empty_part(rng: np.random.Generator, p: MergeProblem) -> Arrays:
    """A part that has no keys at all, as the first chunk of a ring has none."""
    arrays, name = normal(rng, p), NAMES[rng.integers(2)]
    return arrays | {f"lse_{name}": np.full(p.score_shape[:3], -np.inf), f"out_{name}": np.zeros_like(arrays["out_a"])}


@recipe
def huge_outputs(rng: np.random.Generator, p: MergeProblem) -> Arrays:
    """Outputs near the largest number: their sum is in range by its weights alone."""
    arrays = normal(rng, p)
    size = largest(p.dtype) / 8
    return arrays | {f"out_{name}": size * np.clip(arrays[f"out_{name}"], -2, 2) for name in NAMES}


@recipe
def tiny_outputs(rng: np.random.Generator, p: MergeProblem) -> Arrays:
    """Outputs near the smallest normal number, some below it."""
    arrays = normal(rng, p)
    return arrays | {f"out_{name}": 4 * smallest_normal(p.dtype) * arrays[f"out_{name}"] for name in NAMES}

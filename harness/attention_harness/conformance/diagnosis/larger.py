"""Larger cases with the options of a failing one: on small ones too many readings come to the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from attention_harness.conformance.failures.shrink import PLAIN
from attention_specs import masks
from attention_specs.attention.problem import Problem
from attention_specs.biases import noise
from attention_specs.case import Case
from attention_specs.multi_head.problem import LayerProblem
from attention_specs.registry import drawn_recipes

GROWTH = ((1, 2, 2, 2, 2), (1, 1, 4, 1, 3), (0, 1, 29, 0, 0), (0, 29, 3, 0, 0), (0, 29, 58, 0, 0))
"""Further batch entries, queries, keys, head dims and value dims: equal sizes stay equal, or differ from now on."""

MORE = (1, 5, 4, 9, 3)
"""That of the case with other values."""

LONG = 8
"""A size from which a failure may have to do with blocks."""

PERIOD, REMAINDERS = 256, (0b10101011, 0b11010101)
"""Lengths whose last blocks of 8, 16, ... 128 have other sizes each, the two taken together."""


LONGER = 18
"""By so much padding grows first, and the lengths of entries after it."""


def larger(case: Case) -> Iterator[Case]:
    """The case with other numbers, then larger ones, then one with other values of its options; a named case with plain numbers."""
    case = case if case.recipe in drawn_recipes(case.problem.spec) else replace(case, recipe=PLAIN)
    yield replace(case, seed=case.seed + 1)
    p = case.problem
    if not isinstance(p, Problem | LayerProblem):
        return  # the readings are of attention and of layers
    for growth in GROWTH:
        if isinstance(p, Problem):
            yield resized(case, _attention(p, *growth))
        else:
            yield resized(case, _layer(p, *growth))
    yield resized(case, {name: size + 2 + place for place, (name, size) in enumerate(_several(p).items())})
    for place, remainder in enumerate(REMAINDERS):
        names = (
            ("query_length", "key_length", "head_dim", "value_dim") if isinstance(p, Problem) else ("query_length", "key_length")
        )
        long = {name: getattr(p, name) for name in names if getattr(p, name) >= LONG}
        if long:
            yield resized(case, {name: size + (remainder - size) % PERIOD + place * PERIOD for name, size in long.items()})
    yield with_other_values(resized(case, _attention(p, *MORE) if isinstance(p, Problem) else _layer(p, *MORE)))


def with_other_values(case: Case) -> Case:
    """The case with masks and biases of noise, and other numbers: readings that come to the same on its own differ there."""
    given = {
        name: value for name in ("mask", "bias", "window", "softcap", "scale") if (value := getattr(case.problem, name, None))
    }
    others: dict[str, object] = {
        "mask": masks.random(case.seed, 0.5, "bhij"),
        "bias": noise(case.seed, 2.0, "bhij"),
        "window": tuple(None if side is None else 1 + place for place, side in enumerate(given.get("window", ()))),
        "softcap": 1.7,
        "scale": np.copysign(0.3, given.get("scale", 1.0)).item(),
    }
    return case.with_problem(**{name: others[name] for name in given})


def _several(p: Problem | LayerProblem) -> dict[str, int]:
    """The sizes that are not 1: where one query or one entry has code of its own, the others may grow."""
    names = ["batch", "query_length", "key_length", "head_dim", "value_dim"]
    if isinstance(p, LayerProblem):
        names = ["batch"] if p.self_attention else ["batch", "query_length", "key_length"]
    return {name: size for name in names if (size := getattr(p, name)) > 1}


def _attention(p: Problem, batch: int, queries: int, keys: int, dim: int, value: int) -> dict[str, int]:
    heads = {"query_heads": 2 * p.query_heads, "key_heads": 2 * p.key_heads} if batch else {}
    lengths = {"query_length": p.query_length + queries, "key_length": p.key_length + keys}
    return {"batch": p.batch + batch, **heads, **lengths, "head_dim": p.head_dim + dim, "value_dim": p.value_dim + value}


def _layer(p: LayerProblem, batch: int, queries: int, keys: int, *_: int) -> dict[str, int]:
    lengths = {"query_length": p.query_length + queries, "key_length": p.key_length + (queries if p.self_attention else keys)}
    heads = p.heads + batch * (p.key_heads or 1)
    return {"batch": p.batch + batch, "heads": heads, **lengths, "d_model": heads * (p.head_dim + 2 * batch)}


def resized(case: Case, sizes: dict[str, int]) -> Case:
    """The case with other sizes; lists of lengths go on as they began, and a cache grows with the keys."""
    p = case.problem
    changes: dict[str, object] = dict(sizes)
    for name in ("query", "key"):
        lengths = getattr(p, f"{name}_lengths", None)
        if lengths:
            most = sizes.get(f"{name}_length", getattr(p, f"{name}_length"))
            more = max(most - getattr(p, f"{name}_length") - LONGER, 0)
            changes[f"{name}_lengths"] = tuple(min(n + more, most) for n in _continued(lengths, sizes.get("batch", p.batch)))
    if past := getattr(p, "past", None):
        changes["past"] = past + max(sizes.get("key_length", p.key_length) - p.key_length - 1, 0)
    return replace(case, seed=case.seed + sum(sizes.values())).with_problem(**changes)


def _continued(lengths: tuple[int, ...], batch: int) -> list[int]:
    return [lengths[n % len(lengths)] + (n if n >= len(lengths) else 0) for n in range(batch)]

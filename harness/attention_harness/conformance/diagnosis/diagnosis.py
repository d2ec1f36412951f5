"""What a failure looks like: the reading that explains the smallest case, and larger ones that fail like it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from time import monotonic

from attention_harness.conformance.diagnosis.observations import Observation, observe
from attention_harness.conformance.diagnosis.readings import READINGS, Reading
from attention_harness.conformance.under_test import UnderTest
from attention_harness.errors import CallFailed
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.multi_head.problem import LayerProblem

SECONDS = 1.0
"""For all failures of one implementation."""

FEWEST = 2
"""Failing calls that a reading must explain."""


def load_readings() -> dict[str, Reading]:
    """All readings by name, the simpler ones first."""
    from attention_harness.conformance.diagnosis import (  # noqa: F401  # they register themselves, in this order
        options, scales, places, heads, blocks, results, gradients, layers, rounding,
    )  # fmt: skip  # isort: skip

    return READINGS


class Diagnosis:
    """Explains failures of one implementation, as long as the time lasts."""

    def __init__(self, under_test: UnderTest, seconds: float = SECONDS) -> None:
        self.under_test, self.left = under_test, seconds
        self.readings = list(load_readings().values())
        self.known: dict[str, Reading | None] = {}

    def of(self, case: Case) -> Reading | None:
        """The reading that explains the failure on this case, which is small; None where none does, or the time is over."""
        key = case.with_problem(dtype="float32").id
        if key not in self.known and self.left > 0:
            start = monotonic()
            self.known[key] = self._explained(case, start + self.left)
            self.left -= monotonic() - start
        return self.known.get(key)

    def _explained(self, case: Case, deadline: float) -> Reading | None:
        """The first reading that explains the case and all that fail like it."""
        fitting, failing = self.readings, 0
        for like in self._alike(case, deadline):
            if monotonic() > deadline and failing:
                break
            seen = self._wrong(like)
            if not seen:
                continue
            failing += 1
            fitting = [reading for reading in fitting if any(reading.explains(one) for one in seen)]
            if not fitting:
                return None
        return fitting[0] if failing >= FEWEST else None

    def _alike(self, case: Case, deadline: float) -> Iterator[Case]:
        """The case, and others with its options: in float64 where that fails too, since its bounds are the narrowest."""
        yield case
        wide = case.with_problem(dtype="float64")
        base = wide if not case.arrays and self._wrong(wide) else case
        if not case.arrays:
            yield replace(base, seed=base.seed + 1)
            yield from grown(base)

    def _wrong(self, case: Case) -> list[Observation]:
        try:
            return observe(self.under_test, case)
        except (CallFailed, ValueError):  # no answer, or no problem at all
            return []


GROWTH = ((1, 2, 2, 2, 2), (1, 1, 4, 1, 3), (0, 3, 3, 0, 0))
"""Further batch entries, queries, keys, head dims and value dims: equal sizes stay equal, or differ from now on."""


def grown(case: Case) -> Iterator[Case]:
    """Larger problems with the options of the case; ValueError is left to who asks."""
    p = case.problem
    if isinstance(p, Problem):
        for batch, queries, keys, dim, value in GROWTH:
            yield _resized(
                case, batch=p.batch + batch, query_length=p.query_length + queries, key_length=p.key_length + keys,
                head_dim=p.head_dim + dim, value_dim=p.value_dim + value, query_heads=2 * p.query_heads, key_heads=2 * p.key_heads,
            )  # fmt: skip
        longer = [n * 17 // 10 for n in (p.query_length, p.key_length)]
        yield _resized(case, query_length=longer[0], key_length=longer[1], head_dim=p.head_dim * 17 // 10)
    elif isinstance(p, LayerProblem):
        for batch, queries, keys, _, _ in GROWTH:
            keys = queries if p.self_attention else keys
            sizes = {"batch": p.batch + batch, "query_length": p.query_length + queries, "key_length": p.key_length + keys}
            yield _resized(case, **sizes, heads=p.heads + 1, d_model=3 * (p.heads + 1))


def _resized(case: Case, **sizes: int) -> Case:
    """The case with other sizes; lists of lengths are continued by those that they have."""
    p = case.problem
    changes: dict[str, object] = dict(sizes)
    for name, axis in (("query_lengths", "query_length"), ("key_lengths", "key_length")):
        lengths = getattr(p, name, None)
        if lengths:
            batch = sizes.get("batch", p.batch)
            changes[name] = tuple(min(lengths[n % len(lengths)] + n // len(lengths), sizes[axis]) for n in range(batch))
    return replace(case, seed=case.seed + sum(sizes.values())).with_problem(**changes)

"""The cases of every run that only forms without padding get: entries of unequal lengths, and the calls that serving engines make.

Decoding has one query in an entry and many keys, a prefill in chunks some queries behind the keys of those before them.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from attention_specs.attention.problem import Problem
from attention_specs.attention.recipes import DRAWN
from attention_specs.case import Case

RAGGED = ((0, 5, 9), (5, 0, 9), (5, 9, 0), (0, 0, 3), (3, 0, 0), (9, 1, 5))
"""Lengths of three entries: an empty one in every place."""

FORM_CASES = [
    *(Case(Problem(3, 4, 2, 9, 9, 8, 8, query_lengths=lengths, key_lengths=lengths)) for lengths in RAGGED),
    *(
        Case(Problem(3, 2, 1, 9, 9, 8, 8, is_causal=True, query_lengths=lengths, key_lengths=(9, 9, 9)))
        for lengths in RAGGED[::2]
    ),
    Case(Problem(3, 2, 1, 9, 9, 8, 8, query_lengths=(9, 1, 5), key_lengths=(9, 9, 9))),
    *(Case(Problem(3, 2, 2, 4, 9, 8, 8, query_lengths=(4, 2, 3), key_lengths=lengths)) for lengths in RAGGED[:3]),
    Case(Problem(8, 4, 2, 1, 70, 16, 16, key_lengths=(1, 70, 16, 17, 32, 33, 64, 65))),
    Case(Problem(8, 8, 1, 1, 70, 16, 16, is_causal=True, window=(15, 0), key_lengths=(1, 70, 16, 17, 32, 33, 64, 15))),
    Case(Problem(4, 4, 2, 1, 300, 8, 8, is_causal=True, softcap=20.0, sinks=0.5, key_lengths=(300, 256, 257, 3))),
    Case(Problem(4, 4, 2, 5, 40, 8, 8, is_causal=True, query_lengths=(5, 1, 3, 2), key_lengths=(40, 17, 9, 33))),
    Case(Problem(4, 2, 1, 9, 40, 8, 8, is_causal=True, window=(7, 0), query_lengths=(9, 4, 1, 8), key_lengths=(40, 9, 32, 16))),
    Case(Problem(3, 2, 2, 20, 70, 8, 8, is_causal=True, query_lengths=(20, 7, 16), key_lengths=(70, 7, 48))),
    Case(Problem(3, 6, 3, 17, 33, 16, 12, window=(5, 3), scale=0.3, query_lengths=(17, 16, 1), key_lengths=(33, 16, 2))),
    Case(Problem(3, 2, 1, 12, 7, 8, 8, is_causal=True, query_lengths=(12, 5, 8), key_lengths=(7, 5, 3))),
    Case(Problem(2, 2, 1, 3, 64, 8, 8, query_lengths=(3, 2), key_lengths=(64, 32)), "rising"),
    Case(Problem(3, 2, 1, 4, 40, 8, 8, key_lengths=(40, 33, 17)), layouts=dict.fromkeys("kv", "repeated_batch")),
    Case(Problem(2, 2, 1, 2, 600, 4, 4, is_causal=True, key_lengths=(600, 520)), layouts=dict.fromkeys("kv", "repeated_batch")),
    *(
        Case(Problem(3, 4, 2, 6, 20, 8, 8, dtype, is_causal=True, query_lengths=(6, 1, 4), key_lengths=(20, 16, 4)))
        for dtype in ("float64", "float16", "bfloat16")
    ),
]
"""Ragged batches, decoding, keys that are extended, prefill in chunks, fewer keys than queries, and other dtypes."""

FULL = 0.25
"""Share of the drawn problems without lengths whose entries stay as long as the arrays."""


def with_lengths(case: Case) -> Case:
    """A drawn case whose entries have lengths of their own; the same for the same problem."""
    p, rng = case.problem, Random(str(case.problem))
    if not isinstance(p, Problem) or case.recipe not in DRAWN or case.arrays:
        return case
    if p.query_lengths or p.key_lengths or rng.random() < FULL:
        return case
    keys = tuple(_length(rng, p.key_length) for _ in range(p.batch))
    alike = rng.random() < 0.5  # prefill
    queries = tuple(min(n, p.query_length) if alike else _length(rng, p.query_length) for n in keys)
    return replace(case, problem=p.replace(query_lengths=queries, key_lengths=keys))


def _length(rng: Random, longest: int) -> int:
    """A length: any, all, none, one, or at the edge of a page."""
    edges = [n for n in (0, 1, 2, 8, 15, 16, 17, 32, 64, longest - 1, longest) if 0 <= n <= longest]
    return rng.choice(edges) if rng.random() < 0.5 else rng.randint(0, longest)

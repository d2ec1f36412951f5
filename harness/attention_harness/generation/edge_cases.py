"""The edge cases of every run: a size at which kernels change their path, together with one option.

Chance reaches them too seldom, and at each of them somebody's kernel was wrong. The generator draws all other cases.
"""

from __future__ import annotations

from attention_harness.generation.shapes import EMPTY, FAR, PUBLISHED, RESIDUES, TILES, UNGROUPED_EMPTY
from attention_specs import biases, masks
from attention_specs.attention.problem import Problem
from attention_specs.attention.recipes import LEVELS, ROWS_AT
from attention_specs.case import Case
from attention_specs.formats import DTYPES
from attention_specs.multi_head.problem import LayerProblem

NOISE = biases.noise(1, 5.0, "bhij")

LEVELLED = [
    *(Case(Problem(1, 2, 2, 9, 9, 8, 8, is_causal=True), ROWS_AT[-level]) for level in LEVELS),
    *(Case(Problem(2, 1, 1, 3, 7, 1, 1, mask=masks.hidden_key(3)), ROWS_AT[-level]) for level in LEVELS),
    *(Case(Problem(1, 2, 2, 3, 7, 8, 8), ROWS_AT[level]) for level in LEVELS[1::2]),
    Case(Problem(2, 1, 1, 3, 7, 1, 1, window=(1, 0)), ROWS_AT[-LEVELS[-1]]),
    Case(Problem(2, 1, 1, 3, 7, 1, 1, key_lengths=(4, 7)), ROWS_AT[-LEVELS[-1]]),
]
"""Rows far below 0 by queries and keys alone, and far above: causal, beside a hidden key, with nothing else, all without groups.
The lowest beside windows and lengths too, below any number that stands at hidden keys."""

EDGE_CASES: dict[str, list[Case]] = {
    "attention": [
        Case(Problem(2, 2, 1, 17, 33, 8, 8, is_causal=True, key_lengths=(33, 20))),
        Case(Problem(10, 2, 2, 3, 5, 8, 8, bias=NOISE)),
        Case(Problem(1, 2, 2, 5, 33, 16, 16, scale=-1.0), "steep"),
        Case(Problem(2, 2, 1, 1, 1, 8, 8)),
        Case(Problem(1, 10, 2, 20, 9, 8, 8, mask=masks.hidden_key(3))),
        Case(Problem(2, 2, 1, 9, 12, 256, 256, is_causal=True), "steep"),
        Case(Problem(1, 2, 2, 8, 300, 16, 16, is_causal=True)),
        Case(Problem(1, 1, 1, 70, 70, 8, 8, window=(33, 1))),
        Case(Problem(1, 2, 1, 80, 100, 16, 16, is_causal=True, bias=NOISE)),
        Case(Problem(2, 2, 2, 5, 9, 8, 8), "normal", 0, {"k": "every_second", "v": "inside"}),
        *(Case(Problem(*shape)) for shape in (*EMPTY, *UNGROUPED_EMPTY, *RESIDUES, *PUBLISHED)),
        *(Case(Problem(1, 1, 1, *lengths, 8, 8)) for lengths in TILES),
        *(Case(Problem(1, 1, 1, *lengths, 8, 8, is_causal=True)) for lengths in TILES[:2]),
        *(Case(Problem(*shape, mask=masks.random(5, 0.5, "hij"))) for shape in FAR),
        Case(Problem(1, 1, 1, 8193, 3, 4, 4, is_causal=True)),
        Case(Problem(1, 2, 2, 600, 9, 8, 8, window=(300, 1))),
        Case(Problem(1, 1, 1, 260, 260, 8, 8, bias=NOISE)),
        Case(Problem(1, 1, 1, 190, 190, 4, 4, mask=masks.random(5, 0.5, "hij"))),
        Case(Problem(3, 2, 2, 9, 9, 8, 8, query_lengths=(9, 4, 0))),
        Case(Problem(3, 2, 2, 9, 9, 8, 8, mask=masks.key_padding((9, 4, 6)))),
        Case(Problem(3, 2, 1, 9, 12, 8, 8, key_lengths=(12, 0, 5))),
        *(Case(Problem(1, 2, 2, 12, 12, 8, 8, window=window)) for window in ((2, None), (None, 1), (0, 0))),
        Case(Problem(1, 2, 1, 2, 9, 8, 8, window=(0, 0), past=7)),
        Case(Problem(1, 1, 1, 5, 9, 8, 8, sinks=0.0)),
        Case(Problem(1, 2, 2, 5, 9, 129, 129)),
        Case(Problem(3, 2, 2, 12, 20, 8, 8, is_causal=True, query_lengths=(12, 5, 9), key_lengths=(20, 9, 5))),
        Case(Problem(1, 2, 2, 100, 100, 8, 8, window=(15, 0), sinks=0.0)),
        Case(Problem(1, 2, 1, 9, 7, 8, 8, window=(7, 1))),
        Case(Problem(1, 2, 1, 9, 7, 8, 8, mask=masks.random(5, 0.5, "hij"), is_causal=True, window=(3, None))),
        Case(Problem(2, 2, 1, 5, 9, 8, 8, bias=biases.minus_infinity(masks.hidden_query(1)))),
        Case(Problem(1, 2, 2, 5, 9, 8, 8, softcap=90.0), "steep"),
        Case(Problem(3, 1, 1, 4, 200, 8, 8, key_lengths=(190, 150, 200))),
        Case(Problem(1, 2, 1, 1, 2100, 8, 8), "rising"),
        Case(Problem(2, 2, 1, 3, 8, 256, 8, bias=biases.filler(masks.key_padding((0, 8)), -100.0))),
        Case(Problem(2, 2, 1, 1, 40, 8, 8, key_lengths=(8, 20))),
        Case(Problem(2, 2, 1, 1, 40, 8, 8, key_lengths=(30, 40))),
        Case(Problem(2, 2, 1, 5, 9, 8, 8), "normal", 0, dict.fromkeys("qkv", "heads_last")),
        Case(Problem(3, 2, 1, 5, 9, 8, 8), "normal", 0, {"q": "repeated_batch"}),
        Case(Problem(3, 2, 1, 5, 9, 8, 8), "normal", 0, {"k": "repeated_batch", "v": "repeated_batch"}),
        Case(Problem(2, 2, 1, 5, 9, 8, 8, mask=masks.random(3, 0.5, "bhij"), is_causal=True)),
        Case(Problem(2, 4, 2, 1, 300, 16, 16, mask=masks.random(7, 0.5, "bhij"), bias=NOISE, scale=0.7, sinks=4.0)),
        Case(Problem(1, 2, 1, 1, 1100, 8, 8, is_causal=True, window=(700, None), softcap=5.0, sinks=4.0, past=1099)),
        *(Case(Problem(2, 2, 1, 5, 9, 8, 8, dtype, bias=NOISE, scale=0.7)) for dtype in DTYPES),
        *(Case(Problem(2, 2, 1, 5, 9, 8, 8, dtype, is_causal=True, softcap=5.0, sinks=0.0)) for dtype in DTYPES),
        *(Case(Problem(2, 2, 1, 5, 9, 8, 8, dtype), recipe) for recipe in ("huge_values", "tiny") for dtype in DTYPES),
        *LEVELLED,
        *(Case(Problem(8, 4, 2, 4, 129, 32, 32, dtype), "positive_values") for dtype in DTYPES),
    ],
    "multi-head": [
        Case(LayerProblem(3, 3, 5, 7, 12, mask=masks.random(5, 0.5, "bij"))),
        Case(LayerProblem(2, 2, 5, 5, 16), "positions"),
        Case(LayerProblem(2, 2, 5, 9, 16), "one_memory"),
        Case(LayerProblem(2, 4, 5, 7, 16, mask=masks.random(5, 0.5, "bhij"))),
        *(Case(LayerProblem(2, 2, 5, 7, 16, mask=masks.random(5, 0.5, "bij")), "low_scores", seed) for seed in range(3)),
        *(Case(LayerProblem(2, 2, 5, 9, 16, dtype), "shifted_keys") for dtype in DTYPES),
        *(Case(LayerProblem(28, 2, 3, 33, 32, dtype)) for dtype in DTYPES),
    ],
}
"""Spec -> cases. The last in every dtype have so many heads of many keys that the signs of errors show (P15, L19)."""

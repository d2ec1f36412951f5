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
from attention_specs.layouts import INSIDE_K
from attention_specs.merge.problem import MergeProblem
from attention_specs.merge.recipes import DRAWN as MERGE_DRAWN
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

SPARSE = masks.random(3, 0.5, "bhij")

TOGETHER = [
    Case(Problem(2, 3, 3, 5, 9, 8, 8, mask=SPARSE, bias=NOISE)),
    Case(Problem(2, 9, 3, 5, 7, 8, 8, is_causal=True)),
    Case(Problem(2, 3, 1, 1, 9, 8, 8, mask=masks.hidden_key(3))),
    Case(Problem(2, 4, 2, 4, 6, 8, 6, is_causal=True, window=(2, None), softcap=2.0)),
    *(Case(Problem(2, 2, 1, 5, 9, 9, 9, dtype, mask=SPARSE, bias=NOISE, sinks=-0.5)) for dtype in ("float16", "bfloat16")),
    *(Case(Problem(2, 2, 1, 5, 9, 9, 9, dtype, mask=masks.hidden_query(1), sinks=1.0)) for dtype in ("float16", "bfloat16")),
    *(Case(Problem(2, 4, 2, 9, 16, 8, 8, dtype, is_causal=True, scale=-1.0), "steep") for dtype in ("float16", "bfloat16")),
    Case(Problem(2, 6, 2, 12, 11, 53, 53, "float16"), "positive_values"),
    Case(Problem(2, 1, 1, 9, 10, 3, 3, scale=-0.5, softcap=38.0), "huge_scores"),
    Case(Problem(1, 1, 1, 12, 12, 3, 3, "float16", softcap=30.0), "steep"),
    Case(Problem(1, 1, 1, 9, 33, 16, 14, softcap=50.0, key_lengths=(17,))),
    Case(Problem(2, 2, 1, 30, 23, 4, 4, window=(0, 16), query_lengths=(17, 28), key_lengths=(22, 17))),
    Case(Problem(1, 4, 2, 9, 8, 8, 8, bias=NOISE, softcap=5.0)),
    Case(Problem(1, 10, 2, 40, 32, 4, 4, is_causal=True, window=(0, 31), sinks=0.0)),
    Case(Problem(1, 1, 1, 1, 33, 1, 1), "normal", 0, {"k": "repeated_rows"}),
    Case(Problem(1, 1, 1, 2, 2, 1, 1, mask=masks.hidden_key(0)), "normal", 0, {"mask": "fewer_axes"}),
    Case(Problem(3, 8, 4, 4, 9, 20, 20), "normal", 0, {"k": "repeated_heads", "v": "repeated_heads"}),
    Case(Problem(2, 4, 2, 1, 8, 8, 8, mask=masks.random(3, 0.5, "bij"), key_lengths=(8, 5))),
    Case(Problem(2, 3, 3, 4, 8, 8, 8, bias=biases.noise(1, 5.0, "hij"), key_lengths=(6, 7))),
    Case(Problem(3, 2, 1, 6, 7, 4, 4, "float64", key_lengths=(5, 7, 0))),
]
"""Two or three options at once, beside odd heads, groups of three, views, and numbers of sixteen bits: somebody's kernel was wrong
at each, and no other edge case meets them."""

LATENT = [
    Case(Problem(2, 4, 1, 5, 33, 24, 16, is_causal=True, past=28), "normal", 0, {"v": INSIDE_K}),
    Case(Problem(1, 8, 1, 3, 7, 40, 32, "float16", scale=0.2), "normal", 0, {"v": INSIDE_K}),
    Case(Problem(1, 16, 1, 1, 9, 576, 512, scale=192**-0.5), "normal", 0, {"v": INSIDE_K}),
    Case(Problem(1, 16, 1, 2, 17, 576, 512, "bfloat16", scale=192**-0.5), "normal", 0, {"v": INSIDE_K}),
]
"""Absorbed latent attention: one key head, whose values are its first columns; the last two of DeepSeek-V2 Lite's sizes."""

SQUARE_LAYERS = [
    Case(LayerProblem(3, 2, 3, 3, 16, "bfloat16", mask=masks.hidden_query(1), self_attention=True), "positions"),
    Case(LayerProblem(2, 2, 5, 5, 8, mask=SPARSE, self_attention=True)),
    Case(LayerProblem(1, 2, 4, 4, 4, mask=masks.hidden_key(0), self_attention=True)),
    Case(LayerProblem(2, 1, 9, 9, 8, mask=masks.causal(), self_attention=True)),
    Case(LayerProblem(3, 3, 8, 8, 24, mask=masks.everything())),
    Case(LayerProblem(2, 1, 9, 5, 4, "float16", mask=masks.block(2, 1)), "exchanged_heads"),
    Case(LayerProblem(3, 4, 9, 9, 16, "bfloat16", mask=masks.block(5, 3))),
]
"""Layers with as many queries as keys, and rows without keys."""

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
        *TOGETHER,
        *LATENT,
        *(Case(Problem(8, 4, 2, 4, 129, 32, 32, dtype), "positive_values") for dtype in DTYPES),
    ],
    "multi-head": [
        Case(LayerProblem(3, 3, 5, 7, 12, mask=masks.random(5, 0.5, "bij"))),
        Case(LayerProblem(2, 2, 5, 5, 16), "positions"),
        Case(LayerProblem(2, 2, 5, 9, 16), "one_memory"),
        Case(LayerProblem(2, 4, 5, 7, 16, mask=masks.random(5, 0.5, "bhij"))),
        *(Case(LayerProblem(2, 2, 5, 7, 16, mask=masks.random(5, 0.5, "bij")), "low_scores", seed) for seed in range(3)),
        *SQUARE_LAYERS,
        *(Case(LayerProblem(2, 2, 5, 9, 16, dtype), "shifted_keys") for dtype in DTYPES),
        *(Case(LayerProblem(28, 2, 3, 33, 32, dtype)) for dtype in DTYPES),
        Case(LayerProblem(2, 2, 3, 0, 8)),
    ],
    "merge": [
        *(Case(MergeProblem(2, 3, 5, 8), recipe) for recipe in MERGE_DRAWN),
        *(Case(MergeProblem(2, 2, 3, 4, dtype), "empty_parts") for dtype in DTYPES),
        *(Case(MergeProblem(*sizes)) for sizes in ((0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 0, 1), (1, 1, 1, 0))),
        Case(MergeProblem(1, 1, 1, 1), "far_apart"),
        *(Case(MergeProblem(3, 4, 1, 129, dtype), "uniform") for dtype in DTYPES),
        Case(MergeProblem(2, 2, 3, 4), "normal", 0, {"out_a": "heads_last", "out_b": "heads_last"}),
    ],
}
"""Spec -> cases. The last in every dtype, of each spec, have so many heads of many keys that the signs of errors show (P15, L19)."""

"""Biases: ALiBi, T5 and additive masks against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from attention_specs import biases, masks
from attention_specs.biases import BIASES, Bias, alibi_slopes, t5_buckets

SIZES = (2, 3, 5, 4)
EXAMPLES = [
    biases.alibi(),
    biases.noise(5, 2.0, "hj"),
    biases.minus_infinity(masks.causal() & masks.hidden_key(1)),
    biases.filler(masks.causal(), -1e4),
    biases.relative(3, 2.0, 32, 128),
    biases.total(biases.alibi(), biases.minus_infinity(masks.causal())),
]

SLOPE_EXPONENTS = {
    1: [8],
    2: [4, 8],
    3: [4, 8, 2],
    4: [2, 4, 6, 8],
    5: [2, 4, 6, 8, 1],
    6: [2, 4, 6, 8, 1, 3],
    7: [2, 4, 6, 8, 1, 3, 5],
    8: [1, 2, 3, 4, 5, 6, 7, 8],
    9: [1, 2, 3, 4, 5, 6, 7, 8, 0.5],
    10: [1, 2, 3, 4, 5, 6, 7, 8, 0.5, 1.5],
    11: [1, 2, 3, 4, 5, 6, 7, 8, 0.5, 1.5, 2.5],
    12: [1, 2, 3, 4, 5, 6, 7, 8, 0.5, 1.5, 2.5, 3.5],
}
"""Heads -> e of the slopes 2^-e, by `get_slopes` of Press, Smith and Lewis."""


@pytest.mark.parametrize("heads", SLOPE_EXPONENTS)
def test_alibi_slopes_are_those_of_the_paper(heads):
    assert alibi_slopes(heads).tolist() == [2.0**-exponent for exponent in SLOPE_EXPONENTS[heads]]


def test_no_heads_have_no_slopes():
    assert alibi_slopes(0).shape == (0,)


def test_alibi_falls_with_the_distance_on_both_sides():
    in_256ths = 256 * biases.alibi().dense(1, 1, 2, 4)[0, 0]
    assert in_256ths.tolist() == [[0, -1, -2, -3], [-1, 0, -1, -2]]


BEHIND = {0: 0, 1: 1, 7: 7, 8: 8, 11: 8, 12: 9, 16: 10, 127: 15, 128: 15, 500: 15}
"""Distance -> bucket of 16 for a reach of 128: exact below 8, then 8 + floor(8 log(n/8) / log 16), at most 15."""


@pytest.mark.parametrize("distance", BEHIND)
def test_t5_buckets_are_those_of_the_paper(distance):
    row = t5_buckets(600, 1200, 32, 128)[520]
    assert row[520 - distance] == BEHIND[distance]
    assert row[520 + distance] == (16 if distance else 0) + BEHIND[distance]


def test_relative_bias_is_one_number_for_each_head_and_bucket():
    dense, bucket = biases.relative(3, 2.0, 8, 16).dense(1, 3, 20, 30)[0], t5_buckets(20, 30, 8, 16)
    for head in dense:
        assert all(len(set(head[bucket == number])) == 1 for number in set(bucket.ravel()))
    assert len(set(dense[:, 0, 0])) == 3


def test_additive_masks_hide_where_the_mask_does():
    mask = masks.causal() & masks.hidden_query(1)
    seen = mask.dense(*SIZES)
    hidden = biases.minus_infinity(mask).dense(*SIZES)
    assert np.array_equal(hidden == 0, seen)
    assert np.array_equal(np.isneginf(hidden), ~seen)
    assert np.array_equal(biases.filler(mask, -1e4).dense(*SIZES), np.where(seen, 0, -1e4))


def test_noise_stays_within_its_spread_on_its_axes():
    dense = biases.noise(1, 3.0, "hj").dense(2, 5, 7, 200)
    assert dense.shape == (1, 5, 1, 200)
    assert -3 <= dense.min() < -2.9
    assert 2.9 < dense.max() < 3


def test_a_total_is_the_sum_and_keeps_minus_infinity():
    dense = biases.total(biases.alibi(), biases.minus_infinity(masks.causal())).dense(1, 2, 2, 2)
    assert dense[0, 1].tolist() == [[0.0, -np.inf], [-(2.0**-8), 0.0]]


@pytest.mark.parametrize("bias", EXAMPLES, ids=str)
def test_json_keeps_the_bias(bias):
    assert Bias.from_json(bias.to_json()) == bias


@pytest.mark.parametrize("bias", EXAMPLES, ids=str)
@pytest.mark.parametrize("sizes", [SIZES, (0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 0, 1), (1, 1, 1, 0)])
def test_dense_forms_broadcast_to_the_scores(bias, sizes):
    assert np.broadcast_shapes(bias.dense(*sizes).shape, sizes) == sizes


def test_every_kind_of_bias_is_among_the_examples():
    text = " ".join(str(bias.to_json()) for bias in EXAMPLES)
    assert [kind for kind in BIASES if f"'{kind}'" not in text] == []


def test_unknown_kinds_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"bias='spiral', but should be one of .*alibi"):
        Bias.from_json(["spiral"])

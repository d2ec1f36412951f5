"""Masks: each dense form against plain loops over the documented predicate."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from attention_specs import masks
from attention_specs.masks import MASKS, Mask

SIZES = (2, 3, 5, 4)
B, H, Q, K = SIZES


def splitmix(seed, *indices):
    """SplitMix64's finaliser on Python integers, as Steele, Lea and Flood print it."""
    z = seed
    for index in indices:
        z = (z + 0x9E3779B97F4A7C15 + index) % 2**64
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        z ^= z >> 31
    return (z >> 11) / 2**53


EXAMPLES = [
    (masks.everything(), lambda b, h, i, j: True),
    (masks.causal(), lambda b, h, i, j: j <= i),
    (masks.window(1, 0), lambda b, h, i, j: i - 1 <= j <= i),
    (masks.window(0, 2), lambda b, h, i, j: i <= j <= i + 2),
    (masks.window(None, 1), lambda b, h, i, j: j <= i + 1),
    (masks.window(2, None), lambda b, h, i, j: i - 2 <= j),
    (masks.window(None, None), lambda b, h, i, j: True),
    (masks.window(None, -1), lambda b, h, i, j: j < i),
    (masks.window_at((2, -1), 1, 0), lambda b, h, i, j: 0 <= i + (2, -1)[b] - j <= 1),
    (masks.prefix(2), lambda b, h, i, j: j in (0, 1)),
    (masks.key_padding((0, 3)), lambda b, h, i, j: j < (0, 3)[b]),
    (masks.query_padding((5, 2)), lambda b, h, i, j: i < (5, 2)[b]),
    (masks.documents(2), lambda b, h, i, j: {i, j} in [{0}, {1}, {2}, {3}, {4}, {0, 1}, {2, 3}]),
    (masks.block(1, 3), lambda b, h, i, j: j in (1, 2)),
    (masks.hidden_key(2), lambda b, h, i, j: j != 2),
    (masks.hidden_query(4), lambda b, h, i, j: i != 4),
    (masks.random(7, 0.5, "bhij"), lambda b, h, i, j: splitmix(7, b, h, i, j) < 0.5),
    (masks.random(2**64 - 1, 0.3, "bj"), lambda b, h, i, j: splitmix(2**64 - 1, b, 0, 0, j) < 0.3),
    (~masks.causal(), lambda b, h, i, j: j > i),
    (masks.causal() & masks.prefix(2), lambda b, h, i, j: j <= i and j < 2),
    (masks.causal() | masks.prefix(2), lambda b, h, i, j: j <= i or j < 2),
    (~(masks.hidden_key(0) & masks.causal()), lambda b, h, i, j: j == 0 or j > i),
]
each_mask = pytest.mark.parametrize(("mask", "sees"), EXAMPLES, ids=[str(mask) for mask, _ in EXAMPLES])


@each_mask
def test_dense_form_is_the_predicate_cell_by_cell(mask, sees):
    full = np.broadcast_to(mask.dense(*SIZES), SIZES)
    for cell in product(*map(range, SIZES)):
        assert full[cell] == sees(*cell), cell


@each_mask
def test_json_keeps_the_mask(mask, sees):
    assert Mask.from_json(mask.to_json()) == mask


@each_mask
@pytest.mark.parametrize("sizes", [(0, 1, 1, 1), (2, 0, 3, 3), (2, 1, 0, 3), (2, 1, 3, 0)])
def test_a_size_of_zero_gives_a_mask_that_broadcasts(mask, sees, sizes):
    assert np.broadcast_shapes(mask.dense(*sizes).shape, sizes) == sizes


def test_every_kind_of_mask_is_among_the_examples():
    text = " ".join(str(mask.to_json()) for mask, _ in EXAMPLES)
    assert [kind for kind in MASKS if f"'{kind}'" not in text] == []


@pytest.mark.parametrize(
    ("mask", "shape"),
    [
        (masks.causal(), (1, 1, Q, K)),
        (masks.prefix(2), (1, 1, 1, K)),
        (masks.key_padding((0, 3)), (B, 1, 1, K)),
        (masks.query_padding((0, 3)), (B, 1, Q, 1)),
        (masks.key_padding((0, 3)) & masks.causal(), (B, 1, Q, K)),
        (masks.random(0, 0.5, "h"), (1, H, 1, 1)),
        (masks.random(0, 0.5, "bhij"), SIZES),
        (masks.random(0, 0.5, ""), (1, 1, 1, 1)),
    ],
    ids=str,
)
def test_axes_that_the_predicate_does_not_look_at_stay_of_size_one(mask, shape):
    assert mask.dense(*SIZES).shape == shape


@pytest.mark.parametrize(
    ("mask", "name"),
    [
        (masks.window(1, None), "window(1, None)"),
        (masks.key_padding((2, 3)) & ~masks.causal(), "key_padding((2, 3)) & ~causal()"),
        (masks.causal() | masks.prefix(2), "(causal() | prefix(2))"),
    ],
)
def test_names_read_as_the_expression(mask, name):
    assert str(mask) == name


def test_cells_of_a_random_mask_survive_when_the_problem_is_made_smaller():
    mask = masks.random(3, 0.5, "bhij")
    assert np.array_equal(mask.dense(*SIZES)[:1, :2, :3, :2], mask.dense(1, 2, 3, 2))


@pytest.mark.parametrize("density", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_random_masks_have_their_density(density):
    cells = masks.random(1, density, "bhij").dense(4, 4, 50, 50)
    four_deviations = 4 * (density * (1 - density) / cells.size) ** 0.5
    assert abs(cells.mean() - density) <= four_deviations


def test_unknown_kinds_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"mask='spiral', but should be one of .*causal"):
        Mask.from_json(["spiral"])

"""Rotary positions of a layer: what is turned, and how far it may be off."""

from __future__ import annotations

import numpy as np
import pytest

from attention_specs.case import Case
from attention_specs.contract import Conventions
from attention_specs.multi_head import spec
from attention_specs.multi_head.inputs import shared
from attention_specs.multi_head.problem import LayerProblem
from attention_specs.multi_head.rotary import PAIRS, Rotary
from attention_specs.precision import Units, named_precision


def alike(a, b):
    """Whether two float64 arrays of numbers near 1 differ by their last digits alone."""
    return bool(np.abs(a - b).max() <= 256 * np.finfo(np.float64).eps)


A = np.random.default_rng(0).standard_normal((2, 3, 40, 8))


@pytest.mark.parametrize("pairs", PAIRS)
def test_scores_depend_on_distances_alone(pairs):
    rotary = Rotary(100.0, pairs)
    same = np.broadcast_to(A[:, :, :1], A.shape)
    scores = rotary.turned(same) @ rotary.turned(np.broadcast_to(A[:, :, 1:2], A.shape)).swapaxes(-1, -2)
    assert alike(scores[..., 1:, 1:], scores[..., :-1, :-1])
    assert not alike(scores[..., 1:, :-1], scores[..., :-1, :-1])


@pytest.mark.parametrize("pairs", PAIRS)
def test_turning_back_undoes_it_and_position_0_stays(pairs):
    turned = Rotary(pairs=pairs).turned(A)
    assert alike(Rotary(pairs=pairs).turned(turned, back=True), A)
    assert np.array_equal(turned[..., 0, :], A[..., 0, :]) and not alike(turned[..., 1, :], A[..., 1, :])


def test_pairs_are_complex_numbers():
    angles = np.arange(40)[:, None] * 10000.0 ** (-np.arange(0, 8, 2) / 8)
    neighbours = (A[..., ::2] + 1j * A[..., 1::2]) * np.exp(1j * angles)
    assert alike(Rotary(pairs="neighbours").turned(A)[..., ::2], neighbours.real)
    halves = (A[..., :4] + 1j * A[..., 4:]) * np.exp(1j * angles)
    assert alike(Rotary().turned(A)[..., 4:], halves.imag)


def in_single_precision(a, base):
    """As models do it: tables of float32, and three roundings."""
    half = a.shape[-1] // 2
    frequencies = np.float32(1) / np.float32(base) ** (np.arange(0, a.shape[-1], 2).astype(np.float32) / np.float32(a.shape[-1]))
    angles = np.arange(a.shape[-2]).astype(np.float32)[:, None] * frequencies
    cosine, sine = np.tile(np.cos(angles), 2), np.tile(np.sin(angles), 2)
    other = np.concatenate([-a[..., half:], a[..., :half]], -1)
    return a * cosine + other * sine


@pytest.mark.parametrize("base", [10.0, 10000.0, 1e6])
def test_the_bound_holds_for_tables_in_single_precision_and_for_no_coarser_ones(base):
    a = np.random.default_rng(1).standard_normal((1, 1, 2000, 64)).astype(np.float32)
    rotary, u = Rotary(base), Units.from_precision(named_precision("exact", "float32"))
    exact = rotary.turned(a.astype(np.longdouble))
    bound = rotary.error(a.astype(np.float64), np.zeros(a.shape), u)
    assert (np.abs(in_single_precision(a, base) - exact) <= bound).all()
    coarse = Rotary(base * (1 + 2.0**-9)).turned(a.astype(np.float64))
    assert (np.abs(coarse - exact) > bound).any()


def test_a_layer_turns_queries_and_keys_and_its_bound_grows():
    x = spec.realise(Case(LayerProblem(2, 2, 9, 9, 8, self_attention=True)))
    turned = x.replace(rotary=Rotary())
    plain, other = (spec.expect(one, Conventions(), None) for one in (x, turned))
    assert not alike(plain.out, other.out) and (other.bounds.out >= plain.bounds.out).mean() > 0.9
    assert plain.out[:, 0].shape == other.out[:, 0].shape


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"pears": "halves"}, "rotary=pears, but should be"),
        ({"pairs": "thirds"}, "pairs of rotary=thirds, but should be"),
        ({"base": "no"}, "base of rotary=no, but should be a number above 1"),
        ({"base": 1}, "base of rotary=1, but should be a number above 1"),
        ("halves", "rotary=halves, but should be a dict"),
    ],
)
def test_another_declaration_is_refused(attributes, message):
    with pytest.raises(ValueError, match=message):
        Rotary.declared(attributes)


def test_a_dimension_without_pairs_is_refused():
    with pytest.raises(ValueError, match="head_dim=3, but should be even"):
        Rotary().turned(A[..., :3])


def test_heads_that_share_keys_have_the_columns_of_the_first():
    x = spec.realise(Case(LayerProblem(1, 4, 3, 3, 8, key_heads=2)))
    assert np.array_equal(x.w_k[:, :2], x.w_k[:, 2:4]) and not np.array_equal(x.w_k[:, 2:4], x.w_k[:, 4:6])
    assert np.array_equal(shared(x.w_v, 4, 2), x.w_v) and np.array_equal(shared(x.b_k, 4, 2), x.b_k)
    assert not np.array_equal(x.w_q[:, :2], x.w_q[:, 2:4])
    with pytest.raises(ValueError, match="heads=4, but should be a multiple of key_heads=3"):
        LayerProblem(1, 4, 3, 3, 8, key_heads=3)

"""The domain of a function: conditions in words, problems moved inside, and neighbours outside."""

from __future__ import annotations

import pytest

from attention_specs.attention.domain import FIELDS, Domain
from attention_specs.attention.problem import Problem


def values(**fields):
    """Those of a problem."""
    return {name: getattr(Problem(**fields), name) for name in FIELDS}


SMALL = {"query_heads": 4, "key_heads": 2, "query_length": 5, "key_length": 9, "head_dim": 3, "value_dim": 7}


@pytest.mark.parametrize(
    ("conditions", "changes"),
    [
        (["head_dim in {64, 128}"], {"head_dim": 128}),
        (["lengths % 64 == 0"], {"query_length": 64, "key_length": 64}),
        (["query_length == key_length"], {"query_length": 6, "key_length": 6}),
        (["is_causal == True"], {"is_causal": True}),
        (["key_heads == query_heads"], {"key_heads": 4}),
        (["value_dim == head_dim"], {"value_dim": 3}),
        (["query_heads in {3}"], {"query_heads": 3, "key_heads": 1}),
        (["sizes >= 1"], {}),
        (["batch > 1", "key_length <= 8", "query_length < 4"], {"batch": 2, "key_length": 8, "query_length": 3}),
        (["scale == 1.0"], {"scale": 1.0}),
        (["scale > 0"], {}),
        (
            ["dims == 16", "lengths % 4 == 0", "query_length == key_length"],
            {"head_dim": 16, "value_dim": 16, "query_length": 12, "key_length": 12},
        ),
    ],
)
def test_a_problem_is_moved_inside(conditions, changes):
    domain, before = Domain.of(conditions), values(**SMALL)
    assert domain.moved(before) == changes
    assert domain.broken(before | changes) == ""
    assert domain.broken(before) == "" or changes


def test_what_cannot_be_met_is_an_error():
    with pytest.raises(ValueError, match="but should be one for which head_dim == 4"):
        Domain.of(["head_dim == 4", "head_dim == 8"]).moved(values(**SMALL))


@pytest.mark.parametrize("scale", [-0.5, 0.0])
def test_a_scale_is_moved_above_zero(scale):
    assert Domain.of(["scale > 0"]).moved(values(scale=scale))["scale"] > 0


@pytest.mark.parametrize(
    "text",
    [
        "head_dim",
        "head_dim is 64",
        "colour == 3",
        "head_dim == green",
        "head_dim in {}",
        "lengths % 64 == 1",
        "head_dim != 3",
        "head_dim in {a}",
    ],
)
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(ValueError, match="^domain=.*but should") as caught:
        Domain.of([text])
    assert "\n" not in str(caught.value)


def test_outside_one_condition_breaks_and_the_others_hold():
    domain = Domain.of(["head_dim in {64, 128}", "lengths % 64 == 0", "is_causal == True", "query_length == key_length"])
    inside = values(head_dim=64, value_dim=64, query_length=64, key_length=64, is_causal=True)
    assert list(domain.outside(inside)) == [
        ("head_dim in {64, 128}", "head_dim", 63),
        ("is_causal == True", "is_causal", False),
        ("query_length == key_length", "query_length", 128),
    ]
    for condition, name, value in domain.outside(inside):
        assert domain.broken(inside | {name: value}) == condition

"""The parameters of a function: what stands for which option, what is passed by position, and what has to be declared."""

from __future__ import annotations

import pytest

from attention_harness.registry.loading import LoadError, describe
from attention_specs.contract import declares


def flash(q, k, v, dropout_p=0.0, softmax_scale=None, causal=False, window_size=(-1, -1)):
    return q


def test_well_known_names_are_taken_for_what_they_are_and_said():
    description = describe(flash, "mine")
    assert description.options == ("is_causal", "scale", "window")
    assert description.names == {"is_causal": "causal", "scale": "softmax_scale", "window": "window_size"}
    assert description.open_side == -1
    assert description.notes == (
        "taken by their names: causal as is_causal, softmax_scale as scale, window_size as window",
        "left at their defaults: dropout_p",
    )


def test_a_declaration_counts_before_a_well_known_name():
    def attention(q, k, v, *, sm_scale=None, softmax_scale=None):
        return q

    declared = declares(names={"scale": "sm_scale"}, ignored=("softmax_scale",))(attention)
    assert (describe(declared, "mine").names, describe(declared, "mine").notes) == ({"scale": "sm_scale"}, ())


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda q, k, v, sm_scale=None, softmax_scale=None: q, "parameter=sm_scale, softmax_scale, but should be scale"),
        (lambda q, k, v, scale=None, sm_scale=None: q, "parameter=sm_scale, but should be"),
        (lambda q, k, v, window_size=128: q, "parameter=window_size, but should be window"),
    ],
)
def test_a_name_is_taken_only_where_it_can_mean_one_thing(function, message):
    with pytest.raises(LoadError, match=message):
        describe(function, "mine")


def test_an_option_without_a_default_is_passed_always():
    description = describe(lambda q, k, v, mask, causal: q, "mine")
    assert (description.options, description.needed) == (("mask", "is_causal"), ("mask", "is_causal"))


def by_position(values, keys, queries, scale, causal=False, /):
    return queries


@pytest.mark.parametrize(
    ("positional", "needed"),
    [(("v", "k", "q", "scale", "is_causal"), ("scale",)), (("v", "k", "q", "scale"), ("scale",))],
)
def test_what_is_passed_by_position_is_an_option(positional, needed):
    by_position.positional, by_position.ignored = positional, () if "is_causal" in positional else ("causal",)
    description = describe(by_position, "mine")
    assert (set(description.options), description.needed) == (set(positional) & {"scale", "is_causal"}, needed)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"positional": ("q", "k")}, "positional=q, k, but should have q, k and v, or qkv, or q and kv, and each name once"),
        ({"positional": ("q", "k", "v", "v")}, "each name once"),
        ({"positional": ("q", "k", "v", "masks")}, "positional=masks, but should be mask"),
        ({"positional": ("q", "k", "v", "mask")}, r"signature=.* but should take q, k, v, mask: too many positional"),
        ({"positional": "q"}, r'positional=q, but should be a tuple of names: \("q",\)'),
        ({"returns": ("lse",)}, "returns=lse, but should have out once"),
        ({"mask_means": "seen"}, "mask_means=seen, but should be one of visible, hidden"),
        ({"contiguous": "maybe"}, "contiguous=maybe, but should be one of False, True"),
        ({"domain": ("head_dim is 64",)}, "domain=head_dim is 64, but should be a condition on batch"),
        ({"domain": "head_dim == 64"}, r'domain=head_dim == 64, but should be a tuple of conditions: \("head_dim == 64",\)'),
        ({"positional": ("q", "k", "v"), "spec": "multi-head"}, "should be left out of a multi-head|signature="),
    ],
)
def test_a_form_that_cannot_be_is_refused_in_one_line(attributes, message):
    def attention(q, k, v):
        return q

    with pytest.raises(LoadError, match=message) as caught:
        describe(declares(**attributes)(attention), "mine")
    assert "\n" not in str(caught.value)


def test_a_domain_that_fixes_an_option_gives_it_to_a_function_without_the_parameter():
    description = describe(declares(domain=("is_causal == True", "scale == 1.0"), layout="lhd")(lambda q, k, v: q), "mine")
    assert (description.options, description.implied) == (("is_causal", "scale"), ("is_causal", "scale"))
    assert description.domain == ("is_causal == True", "scale == 1.0", "batch == 1")

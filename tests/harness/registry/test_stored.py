"""The storage that a function declares, and its scales."""

import re
from contextlib import nullcontext

import pytest

from attention_harness.registry.loading import LoadError, describe
from attention_specs.contract import declares

E4M3 = {"format": "float8_e4m3fn"}


def of(storage=None, dtypes=None, **given):
    def attention(q, k, v, *, k_scale, v_scale):
        return q

    def queries_too(q, k, v, *, q_descale, k_descale, v_descale):
        return q

    def plain(q, k, v):
        return q

    function = {"scales": attention, "queries": queries_too, "plain": plain}[given.get("form", "scales")]
    if storage is not None:
        function.storage = storage
    if dtypes is not None:
        function.dtypes = dtypes
    return describe(function, "mine")


def test_it_is_described_with_all_its_parts():
    described = of(E4M3)
    assert described.storage == {"format": "float8_e4m3fn", "arrays": "kv", "scales": "tensor"}
    assert described.options == ("k_scale", "v_scale") and "storage" in described.declared


def test_scales_are_known_by_the_names_of_libraries():
    described = of(E4M3 | {"arrays": "qkv"}, ("bfloat16",), form="queries")
    assert described.names == {"q_scale": "q_descale", "k_scale": "k_descale", "v_scale": "v_descale"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "parameter=k_scale, but should belong to a storage that is declared: a format, arrays and scales"),
        ({"storage": E4M3, "form": "plain"}, "parameter=k_scale, but should be there: storage is declared, and it is passed the scales"),
        ({"storage": E4M3 | {"arrays": "qkv"}, "form": "queries"}, "dtypes=None, but should be one, that of the output"),
        ({"storage": "fp8"}, "storage=fp8, but should be a dict of format, arrays and scales"),
    ],
)  # fmt: skip
def test_what_cannot_be_called_is_refused_in_one_line(given, message):
    with pytest.raises(LoadError, match=re.escape(message)):
        of(**given)


@pytest.mark.parametrize(("scales", "refused"), [("tensor", False), ("head", False), ("token", True), ("block", True)])
def test_scales_that_have_no_place_in_packed_rows_are_refused(scales, refused):
    @declares(form="packed", storage=E4M3 | {"scales": scales})
    def attention(q, k, v, *, cu_seqlens_q, cu_seqlens_k, k_scale, v_scale):
        return q

    message = f"scales of storage in form=packed={scales}, but should be one of tensor, head"
    with pytest.raises(LoadError, match=message) if refused else nullcontext():
        assert describe(attention, "mine").storage["scales"] == scales

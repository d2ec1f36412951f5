"""A declaration is one of a few values, or of one type; any other is refused in one line."""

from __future__ import annotations

import json
from dataclasses import asdict
from types import MappingProxyType

import numpy as np
import pytest

from attention_harness.registry.loading import LoadError, describe
from attention_specs.contract import Conventions


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("layout", "bshd", "layout=bshd, but should be one of bhld, blhd, hld, lhd$"),
        ("layout", ["bhld"], r"layout=\['bhld'\], but should be one of bhld, blhd, hld, lhd$"),
        ("conventions", ["empty_rows"], r"conventions=\['empty_rows'\], but should be a dict$"),
        ("conventions", None, "conventions=None, but should be a dict$"),
        ("conventions", {1: "zeros"}, "convention=1, but should be one of empty_rows"),
        ("conventions", {"empty_rows": ["zeros"]}, r"empty_rows=\['zeros'\], but should be one of zeros"),
        ("conventions", {"masked_nan_safe": 2}, "masked_nan_safe=2, but should be one of False, True, keys, values$"),
        ("gradient", "yes", "gradient=yes, but should be one of False, True$"),
        ("device", "gpu", "device=gpu, but should be cpu$"),
        ("device", 3, "device=3, but should be cpu$"),
        ("dtypes", 3, "dtypes=3, but should be a tuple of names$"),
        ("dtypes", (3,), r"dtypes=\(3,\), but should be a tuple of names$"),
        ("precision", 3, "precision=3, but should be a name, or a dict of names by dtype$"),
        ("precision", {"float32": 3}, "but should be a name, or a dict of names by dtype$"),
        ("precision", {"float99": "exact"}, "precision of dtype=float99, but should be"),
        ("options", "mask", r'options=mask, but should be a tuple of names: \("mask",\)$'),
        ("names", {"mask": 3}, "but should be a dict of names by option$"),
        ("ignored", 3, "ignored=3, but should be a tuple of names$"),
        ("conventions", {"empty_rows": np.array(["nan"])}, "but should be one of zeros"),
        ("backward", "mine", "backward=mine, but should be a function$"),
    ],
)
def test_what_is_of_another_kind_or_none_of_the_values_is_refused_in_one_line(name, value, message):
    def attention(q, k, v): ...

    setattr(attention, name, value)
    with pytest.raises(LoadError, match=f"^mine: .*{message}") as caught:
        describe(attention, "mine")
    assert "\n" not in str(caught.value)


def test_a_declaration_that_equals_a_choice_is_that_choice():
    conventions = Conventions.declared(
        {
            "batch_invariant": np.True_, "masked_nan_safe": 1, "deterministic": 0.0, "thread_safe": "False", "lse_base": 2,
            "empty_rows": MappingProxyType({np.str_("mask"): np.str_("nan")}), "checks_shapes": np.array(True),
        }
    )  # fmt: skip
    wanted = Conventions({"mask": "nan"}, "top-left", "top-left", True, False, True, "2", False, True)
    assert json.dumps(asdict(conventions)) == json.dumps(asdict(wanted))

    def attention(q, k, v): ...

    attention.gradient, attention.conventions = np.True_, {"batch_invariant": np.True_}
    assert json.loads(json.dumps(describe(attention, "mine").to_json()))["gradient"] is True

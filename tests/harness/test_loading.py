"""What a function declares: its signature is its capability, and its attributes are checked."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from harness.loading import LoadError, describe, from_protocol, load
from specs.contract import OPTIONS, Conventions, declares


def plain(q, k, v, *, mask=None, is_causal=False):
    """Says what it does.

    And more.
    """


def test_the_signature_is_the_capability():
    description = describe(plain, "mine")
    assert description.options == ("mask", "is_causal")
    assert (description.name, description.framework, description.spec, description.device) == (
        "mine",
        "numpy",
        "attention",
        "cpu",
    )
    assert description.summary == "Says what it does."
    assert description.version == np.__version__


def test_a_function_that_declares_nothing_is_held_to_the_defaults():
    description = describe(plain, "mine")
    assert description.conventions == Conventions()
    assert (description.dtypes, description.precision, description.gradient) == (None, {}, False)


def test_any_keyword_means_every_option():
    assert describe(lambda q, k, v, **options: q, "mine").options == OPTIONS


def test_names_of_the_arrays_and_further_defaults_are_free():
    assert describe(lambda a, b, c, block=64, bias=None: a, "mine").options == ("bias",)


def test_a_function_called_multi_head_is_a_layer():
    def multi_head(a, b, c, d, e, f, g, h, i, j, k, *, heads, mask=None):
        return a

    assert (describe(multi_head, "mine").spec, describe(multi_head, "mine").options) == ("multi-head", ("mask",))


@pytest.mark.parametrize(
    ("function", "shown"),
    [
        (lambda q, k: q, "missing|too many"),
        (lambda q, k, v, w: q, "missing a required argument: 'w'"),
        (lambda q, *, k, v: q, "too many positional"),
        (lambda: None, "too many positional"),
    ],
)
def test_what_cannot_take_three_arrays_is_refused(function, shown):
    with pytest.raises(LoadError, match=rf"signature=.*, but should take three arrays, q, k and v: .*({shown})") as caught:
        describe(function, "mine")
    assert "\n" not in str(caught.value)


DECLARED = {
    "dtypes": ("float32",),
    "conventions": {"empty_rows": {"mask": "zeros", "bias": "nan"}, "causal_alignment": "bottom-right", "deterministic": False},
    "precision": "scores-rounded",
    "device": "cpu",
    "gradient": True,
}


def test_declarations_are_attributes_or_a_decorator():
    def by_hand(q, k, v):
        return q

    for name, value in DECLARED.items():
        setattr(by_hand, name, value)

    @declares(**DECLARED)
    def decorated(q, k, v):
        return q

    assert describe(by_hand, "mine") == describe(decorated, "mine")
    described = describe(by_hand, "mine")
    assert described.conventions.empty_rows_of("bias") == "nan"
    assert described.conventions.causal_alignment == "bottom-right"
    assert described.precision["bfloat16"] == "scores-rounded"
    assert (described.dtypes, described.gradient) == (("float32",), True)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("conventions", {"empty_rows": "ones"}, "empty_rows=ones, but should be one of zeros, nan, uniform"),
        ("conventions", {"empty_rows": {"mask": "ones"}}, "empty_rows=ones, but should be one of"),
        ("conventions", {"colour": "red"}, "convention=colour, but should be one of empty_rows"),
        ("conventions", {"lse_base": "10"}, "lse_base=10, but should be one of e, 2"),
        ("dtypes", ("int8",), "dtypes=int8, but should be among float32"),
        ("precision", "sloppy", "precision=sloppy, but should be one of exact"),
        ("precision", {"float32": "sloppy"}, "precision=sloppy, but should be one of exact"),
        ("framework", "abacus", "framework=abacus, but should be one of numpy, torch, jax|abacus is not installed"),
    ],
)
def test_a_declaration_that_means_nothing_is_refused(name, value, message, tmp_path):
    (tmp_path / "declared.py").write_text(f"def attention(q, k, v):\n    return q\n\n\nattention.{name} = {value!r}\n")
    with pytest.raises(LoadError, match=message):
        load("mine", f"{tmp_path / 'declared.py'}:attention")


def test_the_decorator_refuses_facts_that_nobody_reads():
    with pytest.raises(TypeError, match="declared=colour, but should be among framework"):
        declares(colour="red")


@pytest.mark.parametrize(
    ("text", "function", "message", "unavailable"),
    [
        ("import a_library_that_is_not_there", "attention", "No module named 'a_library_that_is_not_there': install it", True),
        ("1 / 0", "attention", "raised ZeroDivisionError", False),
        ("def one(q, k, v): ...", "attention", "should name a function of that module: one", False),
        ("x = 1", "attention", "should name a function of that module: it defines none", False),
        ("attention = 3", "attention", "should be a function, not int", False),
    ],
)
def test_what_cannot_be_loaded_says_why_in_one_line(text, function, message, unavailable, tmp_path):
    (tmp_path / "unloadable.py").write_text(text + "\n")
    with pytest.raises(LoadError, match=message) as caught:
        load("mine", f"{tmp_path / 'unloadable.py'}:{function}")
    assert caught.value.unavailable == unavailable
    assert "\n" not in str(caught.value)


def test_a_module_by_the_protocol_is_prepared_once_for_each_kind_of_problem():
    prepared = []

    def prepare(problem):
        prepared.append(problem)
        return lambda q, k, v, **options: q + len(options)

    module = SimpleNamespace(prepare=prepare, supports=lambda problem: "too long" if problem["shapes"][0][2] > 2 else None)
    module.__doc__ = "A module."
    attend = from_protocol(module)
    short, longer = np.zeros((1, 1, 2, 1)), np.zeros((1, 1, 3, 1))
    assert attend(short, short, short, scale=1.0).max() == 1
    assert attend(short, short, short, scale=2.0).max() == 1
    assert attend(short, short, short).max() == 0
    assert len(prepared) == 2
    with pytest.raises(NotImplementedError, match="too long"):
        attend(longer, longer, longer)
    assert describe(attend, "mine").options == ("mask", "bias", "is_causal", "scale")

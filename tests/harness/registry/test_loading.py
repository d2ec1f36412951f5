"""The declarations of a function: its signature is its capability, and its attributes are checked."""

from __future__ import annotations

from functools import lru_cache, update_wrapper
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from attention_harness import frameworks
from attention_harness.registry.call_form import in_contract_form
from attention_harness.registry.loading import LoadError, _version, describe, load
from attention_harness.registry.protocol import from_protocol
from attention_specs.contract import OPTIONS, Conventions, declares


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


def test_any_keyword_means_no_option_but_those_that_are_declared():
    def anything(q, k, v, **options):
        return q

    assert describe(anything, "mine").options == ()
    anything.options = OPTIONS
    assert describe(anything, "mine").options == OPTIONS


def test_names_of_the_arrays_are_free():
    assert describe(lambda a, b, c, bias=None: a, "mine").options == ("bias",)


def other_names(q, k, v, *, masked=None, causality=False, scaled=None, block=64):
    """Returns its options."""
    return masked, causality, scaled, block


def declared(function, **attributes):
    def copy(*arrays, **options):
        return function(*arrays, **options)

    return declares(**attributes)(update_wrapper(copy, function))


NAMES = {"mask": "masked", "is_causal": "causality", "scale": "scaled"}


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            other_names,
            r'parameter=masked, causality, scaled, block, but should be mask, is_causal, scale: .*"mask": "masked"',
        ),
        (other_names, r'attention.ignored = \("block",\)$'),
        (lambda q, k, v, *, masked: q, r'parameter=masked, but should be mask: .*names = {"mask": "masked"}$'),
        (lambda q, k, v, w: q, r'parameter=w, but should be an option of the contract: .*ignored = \("w",\)$'),
        (declared(other_names, names=NAMES), "parameter=block, but should"),
        (declared(other_names, ignored=tuple(NAMES.values())), "parameter=block, but should"),
        (declared(other_names, names={"masks": "attn_mask"}), "names=masks, but should be mask$"),
        (declared(other_names, names={"mask": "mask"}), "declared=mask, but should be among the parameters: q, k, v, masked"),
        (declared(other_names, ignored=("blocks",)), "declared=blocks, but should be among the parameters"),
        (declared(plain, options=("mask", "scale")), "declared=scale, but should be among the parameters"),
        (declared(plain, options=("masks",)), "declared=masks|options=masks, but should be mask$"),
        (
            declared(lambda q, k, v, block: q, ignored=("block",)),
            "missing a required argument: 'block', but should have a default",
        ),
    ],
)
def test_a_parameter_that_stands_for_nothing_is_refused_with_the_nearest_option(function, message):
    with pytest.raises(LoadError, match=message) as caught:
        describe(function, "mine")
    assert "\n" not in str(caught.value)


def test_options_arrive_under_the_names_that_are_declared(tmp_path):
    function = declared(other_names, names=NAMES, ignored=("block",))
    description = describe(function, "mine")
    assert (description.options, description.names) == (("mask", "is_causal", "scale"), NAMES)
    assert in_contract_form(function, description)(0, 0, 0, mask=1, scale=2.0) == (1, False, 2.0, 64)
    text = "def attention(q, k, v, *, attn_mask=None):\n    return attn_mask\n\n\nattention.names = {'mask': 'attn_mask'}\n"
    (tmp_path / "named.py").write_text(text)
    loaded, _ = load("mine", f"{tmp_path / 'named.py'}:attention")
    assert loaded(0, 0, 0, mask=3) == 3


def with_attribute(name, value):
    function = declared(plain)
    setattr(function, name, value)
    return function


@pytest.mark.parametrize("name", ["convention", "Layout", "dtype", "option", "ignore"])
def test_an_attribute_that_nobody_reads_is_refused_with_the_nearest(name):
    with pytest.raises(LoadError, match=rf"attribute={name}, but should be {name.lower().removesuffix('s')}\w?: nobody reads"):
        describe(with_attribute(name, "anything"), "mine")


@pytest.mark.parametrize("name", ["name", "author", "_convention", "__wrapped__", "cache", "version", "requires_grad", "calls"])
def test_attributes_of_the_authors_own_are_left_alone(name):
    assert describe(with_attribute(name, plain), "mine").options == ("mask", "is_causal")


def test_compiled_and_cached_functions_carry_what_they_like():
    assert describe(lru_cache(plain), "mine").options == ("mask", "is_causal")


@pytest.mark.parametrize(("declared", "version"), [("", ""), ("attention.framework = 'numpy'\n", np.__version__)])
def test_of_a_file_the_version_is_that_of_the_framework_that_it_declares(declared, version, tmp_path):
    (tmp_path / "versioned.py").write_text(f"def attention(q, k, v):\n    return q\n\n\n{declared}")
    assert load("mine", f"{tmp_path / 'versioned.py'}:attention")[1].version == version


@pytest.mark.parametrize(
    ("location", "version"),
    [
        ("attention_implementations.numpy.eager:attention", np.__version__),
        ("pandas:concat", f"{np.__version__}, pandas {pd.__version__}"),
    ],
)
def test_the_version_names_the_distribution_that_the_function_comes_from(location, version):
    def attention(q, k, v):
        return q

    container = location.partition(":")[0]
    assert _version(describe(attention, location), container, attention) == version


def test_a_module_with_attention_is_not_taken_for_the_protocol(tmp_path):
    helper = "def attention(q, k, v):\n    return 1\n\n\ndef prepare(x):\n    return x\n"
    (tmp_path / "helped.py").write_text(helper)
    assert load("mine", f"{tmp_path / 'helped.py'}:")[0](0, 0, 0) == 1
    (tmp_path / "slipped.py").write_text("convention = {}\n\n\ndef prepare(problem):\n    return min\n")
    with pytest.raises(LoadError, match="attribute=convention, but should be conventions"):
        load("mine", f"{tmp_path / 'slipped.py'}:")


def test_a_function_called_multi_head_is_a_layer():
    def multi_head(a, b, c, d, e, f, g, h, i, j, k, *, heads, mask=None):
        return a

    assert (describe(multi_head, "mine").spec, describe(multi_head, "mine").options) == ("multi-head", ("mask",))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda q, k: q, "missing|too many"),
        (lambda q, k, v, mask, /: q, r'mask has no name for a call, declare attention.positional = \("q", "k", "v", "mask"\)'),
        (lambda q, *, k, v: q, "too many positional"),
        (lambda: None, "too many positional"),
    ],
)
def test_what_cannot_take_three_arrays_is_refused(function, message):
    with pytest.raises(LoadError, match=rf"signature=.*, but should take three arrays, q, k and v: .*({message})") as caught:
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
    assert described.conventions.empty_rows_of("bias", "float32") == "nan"
    assert described.conventions.causal_alignment == "bottom-right"
    assert described.precision["bfloat16"] == "scores-rounded"
    assert (described.dtypes, described.gradient) == (("float32",), True)


def test_what_an_inner_mapping_of_empty_rows_lacks_the_outer_one_says():
    rows = Conventions(
        empty_rows={"mask": "zeros", "bias": "nan", "float16": {"causal": "uniform"}, "lengths": {"float16": "nan"}}
    )
    conventions = {form: rows.empty_rows_of(form, "float16") for form in ("mask", "bias", "causal", "lengths", "no_keys")}
    assert conventions == {"mask": "zeros", "bias": "nan", "causal": "uniform", "lengths": "nan", "no_keys": "zeros"}
    assert rows.empty_rows_of("lengths", "float32") == "zeros"


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
        ("dtypes", "float32", r'dtypes=float32, but should be a tuple of names: \("float32",\)'),
        ("framework", "abacus", "framework=abacus, but should be one of numpy, torch, jax"),
        ("framework", "pytorch", "framework=pytorch, but should be torch$"),
        ("layout", "BLHD", "layout=BLHD, but should be blhd$"),
        ("spec", "multihead", "spec=multihead, but should be multi-head$"),
    ],
)
def test_a_declaration_that_means_nothing_is_refused(name, value, message, tmp_path):
    (tmp_path / "declared.py").write_text(f"def attention(q, k, v):\n    return q\n\n\nattention.{name} = {value!r}\n")
    with pytest.raises(LoadError, match=message):
        load("mine", f"{tmp_path / 'declared.py'}:attention")


def test_the_decorator_refuses_attributes_that_nobody_reads():
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


def test_the_framework_of_a_shipped_implementation_is_looked_for_before_its_module(monkeypatch):
    monkeypatch.setattr(frameworks, "installed", lambda name: f"{name} is not installed")
    with pytest.raises(LoadError, match="^torch is not installed$") as caught:
        load("torch-absent", "attention_implementations.torch.absent:")
    assert caught.value.unavailable


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

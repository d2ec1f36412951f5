"""Function objects of any kind: their names, their signatures, and the framework whose arrays they take."""

from __future__ import annotations

from functools import partial, wraps

import numpy as np
import pytest

from attention_harness.registry.loading import describe
from attention_harness.registry.objects import as_function, name_of
from attention_harness.registry.reading import framework_of_object

torch = pytest.importorskip("torch")


def plain(q, k, v, *, is_causal=False):
    return np.exp(q)


def helper(x):
    return torch.softmax(x, -1)


def by_a_helper(q, k, v):
    return helper(q @ k) @ v


def by_an_annotation(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor):
    return q


def of_numpy_arrays(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    return torch.from_numpy(q).numpy()


def by_an_import_within(q, k, v):
    import torch.nn.functional as functional

    return functional.softmax(q, -1)


class Compiled:
    """As JAX's: its type says the framework, its module is that of the code."""

    def __call__(self, q, k, v):
        return q


Compiled.__module__ = "jaxlib.compiled"
compiled_elsewhere = Compiled()


def by_a_compiled_helper(q, k, v):
    return compiled_elsewhere(q, k, v)


def by_closure():
    own = torch
    return lambda q, k, v: own.exp(q)


@wraps(by_a_helper)
def wrapped(*arrays):
    return by_a_helper(*arrays)


class Instance:
    def __call__(self, q, k, v, *, scale=None):
        return torch.exp(q)


class Module(torch.nn.Module):
    def forward(self, q, k, v, is_causal=False):
        return q


@pytest.mark.parametrize(
    ("function", "framework"),
    [
        (plain, "numpy"), (by_a_helper, "torch"), (by_an_annotation, "torch"), (of_numpy_arrays, "numpy"),
        (by_an_import_within, "torch"), (by_a_compiled_helper, "jax"), (by_closure(), "torch"), (wrapped, "torch"), (Instance(), "torch"),
        (Instance().__call__, "torch"), (Module(), "torch"), (partial(by_a_helper), "torch"), (lambda q, k, v: q, "numpy"),
    ],
)  # fmt: skip
def test_the_framework_is_that_of_type_annotations_or_code(function, framework):
    assert framework_of_object(function) == framework


@pytest.mark.parametrize(
    ("imports", "framework"),
    [
        ("import torch", "torch"),
        ("import torch.nn.functional as F", "torch"),
        ("import torch, numpy", "numpy"),
        ("import math", "numpy"),
    ],
)
def test_code_that_calls_methods_alone_gets_the_arrays_that_its_file_imports(imports, framework):
    names = {}
    exec(f"{imports}\ndef attention(q, k, v): return (q @ k.mT).softmax(-1) @ v", names)
    assert framework_of_object(names["attention"]) == framework


def test_a_declaration_counts_before_what_is_found_and_an_argument_before_both():
    def attention(q, k, v):
        return torch.exp(q)

    attention.framework = "numpy"
    assert as_function(attention).framework == "numpy"
    assert as_function(attention, {"framework": "torch"}).framework == "torch"
    assert vars(attention) == {"framework": "numpy"}


def test_jax_is_found_in_what_it_compiled():
    jax = pytest.importorskip("jax")
    assert framework_of_object(jax.jit(lambda q, k, v: q)) == "jax"


def test_what_a_partial_binds_is_no_parameter():
    def attention(q, k, v, *, block, scale=None, is_causal=False):
        return q

    description = describe(as_function(partial(attention, block=64, is_causal=True)), "mine")
    assert description.options == ("scale",)


def test_names_are_those_of_functions_and_classes():
    assert [name_of(one) for one in (plain, partial(plain), lambda q, k, v: q, Instance())] == [
        "plain",
        "plain",
        "lambda",
        "Instance",
    ]


def test_attributes_of_an_instance_are_its_own_but_for_declarations():
    instance = Instance()
    instance.convention, instance.layout = "of the author", "blhd"
    assert describe(as_function(instance), "mine").layout == "blhd"


def test_a_slip_in_a_declaration_is_named():
    def attention(q, k, v):
        return q

    attention.convention = {}
    with pytest.raises(ValueError, match="attribute=convention, but should be conventions"):
        as_function(attention)


def test_a_function_without_a_signature_is_named():
    with pytest.raises(ValueError, match="but should be written down: wrap it"):
        as_function(torch.nn.functional.scaled_dot_product_attention)

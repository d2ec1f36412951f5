"""Callables of any kind by their place: instances, partials, files of packages; and what their code shows."""

from __future__ import annotations

import sys

import pytest

from attention_harness.registry.loading import LoadError, load, package_of
from attention_harness.registry.objects import declaring
from attention_harness.registry.reading import code_of, returned_always


@pytest.fixture
def package(tmp_path):
    """A package whose file imports from another one of it."""
    folder = tmp_path / "a_package_of_files" / "inner"
    folder.mkdir(parents=True)
    for place in (folder, folder.parent):
        (place / "__init__.py").write_text("")
    (folder.parent / "helper.py").write_text("FACTOR = 3\n")
    (folder / "mine.py").write_text("from ..helper import FACTOR\n\n\ndef attention(q, k, v):\n    return FACTOR\n")
    return folder / "mine.py"


def test_a_file_that_imports_from_its_package_is_loaded_there(package):
    assert package_of(package) == "a_package_of_files.inner"
    assert load("mine", f"{package}:attention")[0](0, 0, 0) == 3
    assert str(package.parents[2]) != sys.path[0]


def test_a_class_is_refused_with_what_to_write(tmp_path):
    (tmp_path / "classes.py").write_text("class Attention:\n    def __call__(self, q, k, v):\n        return q\n")
    with pytest.raises(LoadError, match=r"or an instance in that file, such as attention = Attention\(...\), not a class"):
        load("mine", f"{tmp_path / 'classes.py'}:Attention")


def test_an_instance_and_a_partial_are_functions_of_a_file(tmp_path):
    (tmp_path / "objects_of_a_file.py").write_text(
        "from functools import partial\n\n\nclass Attention:\n    def __call__(self, q, k, v, *, scale=None):\n        return q\n\n\n"
        "def wide(q, k, v, *, scale=None, block=3):\n    return block\n\n\ninstance, narrow = Attention(), partial(wide, block=4)\n"
    )
    instance, narrow = (load(name, f"{tmp_path / 'objects_of_a_file.py'}:{name}") for name in ("instance", "narrow"))
    assert instance[1].options == narrow[1].options == ("scale",)
    assert (instance[0](1, 2, 3), narrow[0](1, 2, 3)) == (1, 4)


def always(q, k, v):
    if q:
        return q, k
    return k, v


def sometimes(q, k, v):
    return (q, k) if q else q


def of_several_lengths(q, k, v):
    if q:
        return q, k
    return q, k, v


@pytest.mark.parametrize(("function", "parts"), [(always, 2), (sometimes, 0), (of_several_lengths, 0), (lambda q, k, v: q, 0)])
def test_a_tuple_that_always_comes_back_shows_in_the_code(function, parts):
    assert returned_always(code_of(function)) == parts


def test_of_such_a_tuple_the_first_part_is_taken_unless_it_is_asked_for(tmp_path):
    (tmp_path / "pairs.py").write_text(
        "def pair(q, k, v):\n    return q, k\n\n\ndef asked(q, k, v, return_lse=False):\n    return q, k\n"
    )
    function, description = load("pair", f"{tmp_path / 'pairs.py'}:pair")
    assert function(1, 2, 3) == 1
    assert (description.returns, description.notes) == (("out", "_"), ("taken from its code: returns=out,_",))
    assert "returns" not in description.declared
    assert load("asked", f"{tmp_path / 'pairs.py'}:asked")[1].returns == ()


TORCH = """
import torch


def on_tensors(q, k, v):
    return torch.softmax(q @ k.mT, -1) @ v


def on_arrays(q, k, v):
    q, k, v = (torch.from_numpy(a) for a in (q, k, v))
    return (torch.softmax(q @ k.mT, -1) @ v).numpy()


@torch.library.custom_op("test_callables::plain", mutates_args=())
def operator(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, is_causal: bool = False) -> torch.Tensor:
    return q.clone()


overload = torch.ops.test_callables.plain
"""


@pytest.mark.slow
def test_the_framework_is_that_of_the_code_and_where_arrays_are_converted_that_of_the_answer(tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "of_tensors.py").write_text(TORCH)
    described = {
        name: load(name, f"{tmp_path / 'of_tensors.py'}:{name}")[1]
        for name in ("on_tensors", "on_arrays", "operator", "overload")
    }
    assert {name: one.framework for name, one in described.items()} == {
        "on_tensors": "torch", "on_arrays": "numpy", "operator": "torch", "overload": "torch"
    }  # fmt: skip
    assert described["on_tensors"].notes == ("taken from its code: framework=torch",)
    assert described["operator"].options == described["overload"].options == ("is_causal",)


def test_a_function_to_which_nothing_is_added_is_itself():
    def attention(q, k, v):
        return q

    assert declaring(attention, {}) is attention
    assert declaring(attention, {"layout": "blhd"}).layout == "blhd"
    assert not hasattr(attention, "layout")

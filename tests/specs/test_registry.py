"""Registries: things by their names, in the order of registration, each name once."""

from __future__ import annotations

import pytest

from attention_specs.attention.recipes import DRAWN, RECIPES
from attention_specs.biases import BIASES
from attention_specs.layouts import LAYOUTS
from attention_specs.masks import MASKS
from attention_specs.multi_head.recipes import DRAWN as LAYER_DRAWN
from attention_specs.multi_head.recipes import LAYER_RECIPES
from attention_specs.registry import Registry


def test_functions_have_their_own_names_and_other_things_are_given_one():
    registry = Registry("thing")

    @registry.register
    def second(): ...

    assert registry.register(1, "first") == 1
    assert list(registry.items()) == [("second", second), ("first", 1)]


@pytest.mark.parametrize(
    ("registry", "kind"),
    [(MASKS, "mask"), (BIASES, "bias"), (LAYOUTS, "layout"), (RECIPES, "recipe"), (LAYER_RECIPES, "recipe")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_taken_name_is_refused_and_its_thing_stays(registry, kind):
    name, thing = next(iter(registry.items()))
    with pytest.raises(ValueError, match=f"^{kind}={name}, but should be a name that is not taken$"):
        registry.register(print, name)
    assert registry[name] is thing


@pytest.mark.parametrize(("drawn", "registry"), [(DRAWN, RECIPES), (LAYER_DRAWN, LAYER_RECIPES)])
def test_drawn_recipes_are_registered_in_their_order(drawn, registry):
    assert [name for name in registry if name in drawn] == drawn


def test_all_modules_of_a_package_are_imported_in_the_order_of_their_names(tmp_path, monkeypatch):
    package = tmp_path / "numbers_by_module"
    package.mkdir()
    (package / "__init__.py").write_text("from attention_specs.registry import Registry\n\nNUMBERS = Registry('number')\n")
    for number, name in enumerate(("b", "a")):
        (package / f"{name}.py").write_text(f"from numbers_by_module import NUMBERS\n\nNUMBERS.register({number}, '{name}')\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = __import__("numbers_by_module").NUMBERS
    assert registry.load("numbers_by_module") is registry
    assert list(registry.items()) == [("a", 1), ("b", 0)]
    assert registry.load("numbers_by_module") == {"a": 1, "b": 0}

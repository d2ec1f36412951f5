"""Masks, biases, layouts and recipes: the names that cases are made of, each with its picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attention_specs import biases, masks
from attention_specs.attention.recipes import RECIPES
from attention_specs.biases import BIASES, Bias
from attention_specs.layouts import LAYOUTS
from attention_specs.masks import MASKS, Mask
from attention_specs.multi_head.recipes import LAYER_RECIPES
from generator import pictures
from generator.examples import TellingDraws
from generator.markdown import first_line, page, table

Row = tuple[str, str, str, str]
"""Name, meaning, the example that the picture shows, and the picture as SVG."""

Draws = Mapping[str, Callable[..., Mask | Bias]]
"""Name -> a function that draws such a thing."""

COMBINED: dict[str, Mask | Bias] = {
    "both": masks.causal() & masks.window(2, None),
    "either": masks.causal() | masks.prefix(3),
    "opposite": ~masks.causal(),
    "prefix": masks.prefix(3),
    "window_at": masks.window_at((0, 2), 2, 0),
    "total": biases.total(biases.alibi(), biases.minus_infinity(masks.causal())),
}
"""Examples of the masks and biases that are not drawn by themselves."""


def pages() -> dict[str, str]:
    """A page for each kind of thing, and the pictures."""
    written: dict[str, str] = {}
    for name, title, lead, rows in (
        ("masks", "Masks", MASKS_LEAD, _named(masks.mask.draws, MASKS, pictures.mask)),
        ("biases", "Biases", BIASES_LEAD, _named(biases.bias.draws, BIASES, pictures.bias)),
        ("layouts", "Layouts", LAYOUTS_LEAD, _layouts()),
        ("recipes", "Recipes", RECIPES_LEAD, _recipes()),
    ):
        written[f"{name}.md"] = page(title, lead, _table(name, rows), _layer_recipes() if name == "recipes" else "")
        written |= {f"{name}/{row[0]}.svg": row[3] for row in rows if row[3]}
    return written


MASKS_LEAD = (
    "A mask says which keys a query sees. Rows are 6 queries, columns 9 keys, and dark cells are visible. "
    "Masks combine by `&`, `|` and `~`."
)
BIASES_LEAD = (
    "A bias is added to the scores. Rows are 6 queries, columns 9 keys. "
    "Red is above 0, blue is below, and grey hides the key (-inf)."
)
LAYOUTS_LEAD = (
    "A layout places an array in memory; its values stay. The pictures show memory cell by cell, 12 in a row, for an array of two heads, "
    "three positions and four channels. Blue is the first head, orange the second, darker shades are later positions, the number is the "
    "channel. Grey cells hold poison that nobody may read. With a stride of 0 several elements share a cell."
)
RECIPES_LEAD = (
    "A recipe makes the numbers in q, k and v, so that a certain kind of error shows. The pictures show the weights of 8 queries "
    "(rows) on 16 keys in float32: the darker, the larger. Those without a picture fit one named case only."
)


def _table(folder: str, rows: list[Row]) -> str:
    head = ("name", "picture", "meaning", "shown")
    cells = [(f"`{name}`", _image(folder, name) if svg else "", meaning, f"`{example}`") for name, meaning, example, svg in rows]
    columns = 4 if any(row[2] for row in rows) else 3
    return table(head[:columns], [row[:columns] for row in cells])


def _image(folder: str, name: str) -> str:
    return f"![{name}]({folder}/{name}.svg)"


def _named(draws: Draws, kinds: Mapping[str, Callable[..., object]], picture: Callable[..., str]) -> list[Row]:
    """Every kind and every drawn combination, in the order of definition."""
    rows = []
    for name in dict.fromkeys([*draws, *kinds]):
        example = draws[name](TellingDraws()) if name in draws else COMBINED[name]
        rows.append((name, first_line(kinds.get(name) or draws[name]), str(example), picture(example)))
    return rows


def _layouts() -> list[Row]:
    return [(name, first_line(layout), "", pictures.layout(layout)) for name, layout in LAYOUTS.items()]


def _recipes() -> list[Row]:
    return [(name, first_line(recipe), "", pictures.recipe(name)) for name, recipe in RECIPES.items()]


def _layer_recipes() -> str:
    rows = [(f"`{name}`", first_line(recipe)) for name, recipe in LAYER_RECIPES.items()]
    return f"## Recipes of the layer\n\n{table(('name', 'meaning'), rows)}"

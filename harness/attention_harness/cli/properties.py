"""The command `properties`: what a check asks of an attention, with ids, names and sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from attention_harness.cli.exit_status import RIGHT
from attention_harness.cli.options import Json, property_names
from attention_harness.cli.output import print_json
from attention_specs.property import PROPERTIES, Property

Patterns = Annotated[
    list[str] | None, typer.Argument(help="Ids, names, or patterns over either, such as P4 or 'M*'; all by default.")
]


def properties(patterns: Patterns = None, as_json: Json = False) -> int:
    """The properties, each with its id, its name and a sentence about it."""
    chosen = [PROPERTIES[name] for name in property_names(patterns or ["*"])]
    if as_json:
        print_json({"properties": [_entry(one) for one in chosen]})
    else:
        show(chosen)
    return RIGHT


def _entry(one: Property) -> dict[str, object]:
    return {
        "id": one.id,
        "name": one.name,
        "spec": one.spec,
        "sentence": one.sentence,
        "options": list(one.options),
        "gradient": one.gradient,
    }


def show(chosen: Sequence[Property]) -> None:
    """A table on a terminal, a line for each elsewhere."""
    from rich.console import Console

    from attention_reports.printing import print_table

    print_table(Console(), ["id", "name", "sentence"], [[one.id, one.name, one.sentence] for one in chosen], numbers_from=3)

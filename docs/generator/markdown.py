"""Markdown of the generated pages."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence


def page(title: str, *parts: str) -> str:
    """A page: its title and its parts, with an empty line between."""
    return "\n\n".join([f"# {title}", *(part.strip("\n") for part in parts if part)]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The rows under their headings, each cell on one line."""
    lines = [[re.sub(r"\s+", " ", str(cell)).replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [list(head), ["---"] * len(head), *lines])


def docstring(thing: object) -> str:
    """The documentation of a thing without its indentation."""
    return inspect.getdoc(thing) or ""


def first_line(thing: object) -> str:
    """The summary of a thing."""
    return docstring(thing).partition("\n")[0]


def in_words(name: str) -> str:
    """The name of a property as a sentence."""
    words = name.replace("_", " ")
    return words[0].upper() + words[1:]

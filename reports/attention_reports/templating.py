"""The templates of the pages and their filters. Foreign text is escaped and made visible everywhere."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from attention_reports import text

_TEMPLATES = Path(__file__).parent / "templates"
_FILTERS = ("number", "duration", "memory", "in_words", "listed", "count", "percent", "portion", "calls", "plain")


def templates(filters: Mapping[str, Callable[..., Any]]) -> jinja2.Environment:
    """The templates with these filters beside the common ones."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, finalize=_visible, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update({name: getattr(text, name) for name in _FILTERS} | {"prose": prose} | dict(filters))
    return environment


def asset(name: str) -> Markup:
    """A style sheet or a script of ours, as it is."""
    return Markup((_TEMPLATES / name).read_text(encoding="utf-8"))


def prose(statement: str) -> Markup:
    """A paragraph of Markdown as HTML: code and emphasis. Links are their text, and text behind a block of code is left out."""
    words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", " ".join(statement.partition("```")[0].split()))
    parts = [str(escape(text.visible(part))) for part in words.split("`")]
    parts[::2] = [re.sub(r"\*([^*]+)\*", r"<em>\1</em>", part) for part in parts[::2]]
    parts[1::2] = [f"<code>{part}</code>" for part in parts[1::2]]
    return Markup("".join(parts))


def _visible(value: Any) -> Any:
    """Every expression of a template passes here, so no name can be forgotten. Our own markup passes as it is."""
    return text.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

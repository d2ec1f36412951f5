"""The templates of the pages and their filters. Foreign text is escaped and made visible everywhere."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from attention_reports import text

_TEMPLATES = Path(__file__).parent / "templates"
_FILTERS = ("number", "duration", "memory", "in_words", "listed", "count", "percent", "portion", "calls", "plain")


def templates(filters: Mapping[str, Callable[..., Any]]) -> jinja2.Environment:
    """The templates with these filters beside the common ones."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, finalize=_visible, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update({name: getattr(text, name) for name in _FILTERS} | dict(filters))
    return environment


def asset(name: str) -> Markup:
    """A style sheet or a script of ours, as it is."""
    return Markup((_TEMPLATES / name).read_text(encoding="utf-8"))


def _visible(value: Any) -> Any:
    """Every expression of a template passes here, so no name can be forgotten. Our own markup passes as it is."""
    return text.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

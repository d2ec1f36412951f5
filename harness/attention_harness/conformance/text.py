"""Text of foreign code, made printable."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text on one line, with escapes in place of surrogates, control and other unprintable characters."""
    return "".join(
        c if c.isprintable() else " " if c.isspace() else c.encode("unicode_escape", "backslashreplace").decode() for c in text
    )

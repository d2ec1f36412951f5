"""The statements of the properties: their paragraphs in the specification, `attention.md`."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

DOCUMENTS = tuple(folder / "attention.md" for folder in (Path(__file__).parents[1], Path(__file__).parents[2]))
"""Where the document lies: inside the package in a wheel, beside it in a checkout."""


@cache
def statements() -> dict[str, str]:
    """Id of a property -> its paragraph as Markdown, without the name in front, in the order of the document."""
    text = next(path for path in DOCUMENTS if path.is_file()).read_text(encoding="utf-8")
    parts = re.split(r"^(?=\*\*[A-Z]+\d+[ .]|#)", text, flags=re.MULTILINE)
    named = (re.match(r"\*\*([A-Z]+\d+) [a-z_0-9]+\.\*\* (.*)", part, re.DOTALL) for part in parts)
    return {match[1]: match[2].strip() for match in named if match}

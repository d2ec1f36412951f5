"""Links into the generated reference: they lead to `reference/index.md` in the repository, and to the pages in the handbook."""

from __future__ import annotations

import re
from pathlib import Path

REFERENCE = Path(__file__).parent / "reference"
INDEX = "docs/reference/index"
"""The page that stands for the generated ones where they are not built."""


def page(part: str) -> str:
    """The generated page of a part, `outcomes`, from the root of the sources."""
    name = f"{part}.md" if (REFERENCE / "generated" / f"{part}.md").is_file() else f"{part}/index.md"
    return f"/docs/reference/generated/{name}"


def resolved(name: str, text: str) -> str:
    """The text of a page whose links into the reference lead to generated pages; the index has a link under each heading."""
    if name == INDEX:
        return re.sub(r"^## (.+)$", lambda head: f"{head[0]}\n\n[{head[1]}]({page(_part(head[1]))})", text, flags=re.MULTILINE)
    return re.sub(r"\]\([./]*reference/index\.md#([\w-]+)\)", lambda link: f"]({page(link[1])})", text)


def _part(heading: str) -> str:
    return heading.lower().replace(" ", "-")

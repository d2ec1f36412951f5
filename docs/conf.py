"""Builds the handbook: `tox -e docs`. The root of the sources is the repository, so that each document has one place."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "attention-harness"
author = "the authors of attention-harness"
extensions = ["myst_parser", "sphinx_copybutton"]
root_doc = "docs/index"
include_patterns = ["docs/*.md", "docs/**/*.md", "specs/*.md", "CONTRIBUTING.md", "CHANGELOG.md"]
exclude_patterns = [".*", "**/__pycache__", "tests", "harness", "implementations"]
nitpicky = True

myst_heading_anchors = 3
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = "attention-harness"
html_static_path = ["static"]
html_js_files = [("accessible.js", {"defer": "defer"})]
html_copy_source = False
html_show_search_summary = False  # a page opened from a file may not fetch others
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}


def setup(app: Any) -> None:
    """Writes the reference before the sources are read, and leads links to it."""
    from generator import write_pages
    from reference_links import resolved

    def lead(app: Any, name: str, source: list[str]) -> None:
        source[0] = resolved(name, source[0])

    app.connect("builder-inited", lambda app: write_pages(HERE / "reference" / "generated"))
    app.connect("source-read", lead)

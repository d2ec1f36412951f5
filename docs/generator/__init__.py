"""The reference pages of the handbook, generated from the code: `write_pages` writes them, conf.py calls it before each build."""

from __future__ import annotations

from pathlib import Path

from generator import assertion, catalogue, commands, findings, properties, python_api, records

Pages = dict[str, str]
"""Path below the folder of the pages -> text."""


def write_pages(folder: Path) -> None:
    """All pages and pictures of the reference, into this folder. Files that are as they were keep their time."""
    pages: Pages = {}
    for part in (properties, commands, records, catalogue, python_api, assertion, findings):
        pages |= part.pages()
    for stale in {path for path in folder.rglob("*.*") if path.is_file()} - {folder / name for name in pages}:
        stale.unlink()
    for name, text in pages.items():
        _write(folder / name, text)


def _write(path: Path, text: str) -> None:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")

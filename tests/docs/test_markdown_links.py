"""Links between Markdown files lead to files and headings of the repository, as GitHub shows it; generated pages are not in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reference_links import INDEX, REFERENCE, page, resolved

ROOT = Path(__file__).parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *(path for folder in ("docs", "specs", "harness") for path in (ROOT / folder).rglob("*.md") if "generated" not in path.parts),
]


def prose(text):
    """The text without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)


def places(path):
    """The names that GitHub gives to the headings of a page."""
    heads = re.findall(r"^#+ (.+)$", prose(path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def dead(path, text):
    """The relative links of a page that lead nowhere."""
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(text)):
        name, _, place = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if re.match(r"[a-z]+:", link):
            continue
        if not target.exists() or "generated" in target.parts or (place and place not in places(target)):
            yield link


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_its_links_lead_somewhere(path):
    assert list(dead(path, path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "link", ["no.md", "index.md#no-such-heading", "#nowhere", "reference/generated/outcomes.md", "reference/index.md#none"]
)
def test_a_dead_link_is_found(link):
    path = ROOT / "docs" / "index.md"
    assert list(dead(path, f"[x]({link}) [y](reference/index.md#outcomes)\n\n```\n[z](no.md)\n```\n")) == [link]


def test_links_into_the_reference_lead_to_its_pages():
    from generator import write_pages

    write_pages(REFERENCE / "generated")
    text = (REFERENCE / "index.md").read_text(encoding="utf-8")
    parts = re.findall(r"^\[.+\]\(/docs/reference/(generated/[^)]+)\)$", resolved(INDEX, text), re.MULTILINE)
    assert len(parts) == text.count("\n## ")
    assert [part for part in parts if not (REFERENCE / part).is_file()] == []
    assert resolved("docs/x", "[a](../reference/index.md#findings)") == f"[a]({page('findings')})"
    assert page("findings").endswith("/findings/index.md")

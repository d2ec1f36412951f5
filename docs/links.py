"""Checks the internal links of the built handbook, `python docs/links.py SITE`: each leads to a file, and to a place in it."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links of a page, and the names of the places in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Gathers addresses and ids."""
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name == "id" and value:
                self.places.add(value)


def dead(site: Path) -> list[str]:
    """The links of the site that lead nowhere, each behind its page."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    return [
        f"{path.relative_to(site.resolve())}: {link}"
        for path, page in pages.items()
        for link in page.links
        if not leads(link, path, pages)
    ]


def leads(link: str, path: Path, pages: dict[Path, Page]) -> bool:
    """Whether a link of the page at that path leads somewhere; links to other sites count."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not parts.fragment or target not in pages:
        return target.exists()
    return unquote(parts.fragment) in pages[target].places


if __name__ == "__main__":
    nowhere = dead(Path(sys.argv[1]))
    sys.exit("\n".join([f"links that lead nowhere: {len(nowhere)}", *nowhere]) if nowhere else 0)

"""The built handbook in Chromium, on a desk and on a telephone, light and dark: it fits, axe-core finds nothing, the search works.

`SITE` names the folder of the built site (`tox -e docs` sets it). All pages are opened from files, as a reader does offline.
"""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SCREENS = list(product((1400, 400), ("light", "dark")))
KINDS = (
    "docs/index.html", "docs/tutorial/first-check.html", "docs/guide/declare.html", "docs/assert-attention-close.html",
    "docs/mutation-score.html", "specs/precision.html", "docs/reference/generated/properties/index.html",
    "docs/reference/generated/properties/R16.html", "docs/reference/generated/masks.html", "docs/reference/generated/layouts.html",
    "docs/reference/generated/python-api.html", "docs/reference/generated/commands/check.html", "CHANGELOG.html", "search.html",
)  # fmt: skip
"""A page of each kind: each is looked at on every screen, and all other pages on one."""


@pytest.fixture(scope="module")
def site():
    folder = Path(os.environ.get("SITE", ""))
    if not (folder / "docs" / "index.html").is_file():
        pytest.skip("SITE=, but should be the folder of the built handbook: `tox -e docs` builds it")
    return folder.resolve()


def faults(browser, axe, page, width, scheme):
    """What is wrong with a page on that screen."""
    browser.open(page, width, scheme)
    wide = browser.run("return document.documentElement.scrollWidth")
    return [
        *browser.messages(),
        *([f"width={wide}, but should be at most {width}"] if wide > width else []),
        *browser.violations(axe),
    ]


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
@pytest.mark.parametrize("page", KINDS)
def test_a_page_of_each_kind(browser, axe, site, page, width, scheme):
    assert faults(browser, axe, site / page, width, scheme) == []


def test_every_other_page(browser, axe, site):
    pages = sorted(path for path in site.rglob("*.html") if path.relative_to(site).as_posix() not in KINDS)
    assert len(pages) > 150
    wrong_pages = {page.relative_to(site).as_posix(): faults(browser, axe, page, 400, "dark") for page in pages}
    assert {page: wrong for page, wrong in wrong_pages.items() if wrong} == {}


@pytest.mark.parametrize(
    ("words", "page"), [("softcap", "properties/S"), ("vacuous", "outcomes"), ("bottom-right", "conventions")]
)
def test_the_search_works_offline(browser, site, words, page):
    from selenium.webdriver.support.wait import WebDriverWait

    browser.open(site / "docs" / "index.html", 1400, "light")
    field = browser.driver.find_element("css selector", "input[name=q]")
    field.send_keys(words)
    field.submit()
    results = "return [...document.querySelectorAll('ul.search li a')].map(link => link.href)"
    WebDriverWait(browser.driver, 30).until(
        lambda _: browser.run("return /found|matching/.test(document.querySelector('.search-summary')?.textContent ?? '')")
    )
    links = browser.run(results)
    assert any(page in link for link in links), links
    assert all(link.startswith("file:") for link in links)
    assert browser.messages() == []

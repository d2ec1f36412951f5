"""The report in Chromium, on a desk and on a telephone, by day and by night."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

DESK, TELEPHONE = 1400, 400
SCREENS = list(product((DESK, TELEPHONE), ("light", "dark")))
Pages = Callable[[str], Path]

on_every_screen = pytest.mark.parametrize(("width", "scheme"), SCREENS)

SHOWN = "return [...document.querySelectorAll('.matrix tbody tr')].filter(row => !row.hidden).map(row => row.dataset)"
TELL = "const [element, value] = arguments; element.value = value; element.dispatchEvent(new Event('input', {bubbles: true}))"


@on_every_screen
def test_a_page_fits_the_screen_says_nothing_to_the_console_and_asks_for_nothing(
    browser: Any, every_page: Path, width: int, scheme: str
) -> None:
    browser.open(every_page, width, scheme)
    assert browser.run("return document.readyState") == "complete"
    assert browser.messages() == []
    assert browser.requests() == [every_page.as_uri()]
    assert browser.run("return document.documentElement.scrollWidth") <= width


def test_markup_quotes_and_control_characters_are_shown_as_text(browser: Any, pages: Pages) -> None:
    browser.open(pages("hostile"), DESK, "light")
    text = browser.run("return document.body.textContent")
    assert "<script>alert('x')</script>\"|`@user $x$ \\u202eabc\\x1b[31mtorch-chunked" in text
    assert not set(text) & {"\u202e", "\x1b"}
    assert browser.run("return document.scripts.length") == 1


@pytest.mark.parametrize("width", [DESK, TELEPHONE])
def test_the_matrix_is_filtered(browser: Any, pages: Pages, width: int) -> None:
    browser.open(pages("run"), width, "light")
    everything = browser.run(SHOWN)
    search = browser.driver.find_element("css selector", ".tools input")
    search.send_keys("window")
    values = browser.run(SHOWN)
    assert 0 < len(values) < len(everything)
    assert all("window" in row["text"] for row in values)
    search.clear()
    show = browser.driver.find_element("css selector", ".tools select[aria-label=Show]")
    browser.run(TELL, show, "failing")
    assert {int(row["failing"]) > 0 for row in browser.run(SHOWN)} == {True}
    browser.run(TELL, show, "")
    assert browser.run(SHOWN) == everything


@pytest.mark.parametrize("column", ["failing", "worst", "seconds"])
def test_the_matrix_is_sorted(browser: Any, pages: Pages, column: str) -> None:
    browser.open(pages("run"), DESK, "light")
    browser.run(TELL, browser.driver.find_element("css selector", ".tools select[aria-label=Sort]"), column)
    rows = browser.run("return [...document.querySelector('.matrix tbody').rows].map(row => row.dataset)")
    values = [float(row[column]) for row in rows]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) > 1


def test_a_click_on_an_implementation_brings_what_it_fails_to_the_top(browser: Any, pages: Pages) -> None:
    browser.open(pages("run"), DESK, "light")
    before = browser.run(SHOWN)
    name = browser.driver.find_element("xpath", "//th/button[normalize-space()='torch-chunked']")
    name.click()
    column = name.find_element("xpath", "..")
    outcomes = browser.run(
        "const head = arguments[0]; return [...head.closest('table').tBodies[0].rows].map(row => row.cells[head.cellIndex].className)",
        column,
    )
    assert [outcome.split()[0] in {"violates", "crashed"} for outcome in outcomes[:3]] == [True, True, False]
    assert column.get_attribute("aria-sort") == "descending"
    name.click()
    assert browser.run(SHOWN) == before


@pytest.mark.parametrize("width", [DESK, TELEPHONE])
def test_a_failing_cell_opens_its_evidence_and_its_replay_line_is_copied(browser: Any, pages: Pages, width: int) -> None:
    browser.open(pages("run"), width, "light")
    cell = browser.driver.find_elements("css selector", ".matrix td a")[-1]
    place = cell.get_attribute("href").partition("#")[2]
    cell.click()
    evidence = browser.driver.find_element("id", place)
    assert evidence.is_displayed()
    line = evidence.find_element("css selector", "[data-copy]")
    evidence.find_element("tag name", "button").click()
    assert pasted(browser) == line.text
    assert line.text.startswith("attention-harness replay cases/")


def pasted(browser: Any) -> str:
    """What the clipboard holds, by way of the search field."""
    from selenium.webdriver.common.keys import Keys

    search = browser.driver.find_element("css selector", ".tools input")
    search.send_keys(Keys.CONTROL, "v")
    text: str = search.get_attribute("value")
    return text


@on_every_screen
def test_axe_finds_no_violation(browser: Any, every_page: Path, axe: str, width: int, scheme: str) -> None:
    browser.open(every_page, width, scheme)
    assert browser.violations(axe) == []

"""compare.html, compare.md and the terminal: the verdict first, readable whatever is missing, and names that are only names."""

import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from attention_reports import Comparison, print_comparison, write_comparison

Make = Callable[..., Any]
HOSTILE = "<script>alert('x')</script>\"|`@user $x$ \u202eabc\x1b[31m"
SHOWN = "<script>alert('x')</script>\"|`@user $x$ \\u202eabc\\x1b[31m"
COMMENT_LIMIT = 65536  # characters of a comment on GitHub
VOID = {"meta", "link"}


class Page(HTMLParser):
    """Elements, those left open, links, and text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.open += [] if tag in VOID else [tag]
        attributes = dict(attrs)
        self.ids += [attributes["id"] or ""] if "id" in attributes else []
        self.links += [attributes["href"] or ""] if tag == "a" else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data: str) -> None:
        self.text += data


def written(comparison: Comparison, folder: Path) -> tuple[str, Page, str, str]:
    """The page as text and as seen, the Markdown, and what a pipe gets."""
    source = write_comparison(comparison, folder).read_text(encoding="utf-8")
    console = Console(file=io.StringIO(), width=100)
    print_comparison(comparison, console)
    assert isinstance(console.file, io.StringIO)
    return source, Page(source), (folder / "compare.md").read_text(encoding="utf-8"), console.file.getvalue()


@pytest.fixture
def changed(stored: Make, checked: Make, timed: Make) -> Comparison:
    old = [checked("x", "p_holds", "agrees"), checked("x", "q", "violates"), checked("x", "r", "agrees")]
    new = [
        checked("x", "p_holds", "violates", message="out=1, but should be 2", replay="replay this"),
        checked("x", "q", "agrees"),
        checked("x", "r", "vacuous"),
    ]
    a = stored("a", checks=old, timings=[timed("x", 2.0), timed("y", 2.0)])
    return Comparison.load(a, stored("b", checks=new, timings=[timed("x", 2.6), timed("y", 2.0)]))


def test_the_verdict_comes_first_everywhere(changed: Comparison, tmp_path: Path) -> None:
    _, seen, comment, printed = written(changed, tmp_path / "out")
    sentence = "1 property broke, 1 was fixed; 1 of 2 timings became slower."
    assert sentence in seen.text
    assert comment.startswith(f"### ❌ {sentence}\n")
    assert printed.startswith(f"{sentence}\n")


def test_everything_that_changed_is_shown(changed: Comparison, tmp_path: Path) -> None:
    _, seen, comment, printed = written(changed, tmp_path / "out")
    for text in (seen.text, comment, printed):
        assert "p holds" in text
        assert "out=1, but should be 2" in text
        assert "replay this" in text
        assert re.search(r"1\.30(×| times)", text)
    assert "x violates, and was agrees: p holds (float32)" in printed
    assert {"broke", "fixed", "moves", "timings", "environments"} <= set(seen.ids)
    assert {link[1:] for link in seen.links} <= set(seen.ids)


def test_the_tables_are_written_too(changed: Comparison, tmp_path: Path) -> None:
    written(changed, tmp_path / "out")
    assert len(pd.read_parquet(tmp_path / "out" / "changed_checks.parquet")) == 3
    assert list(pd.read_csv(tmp_path / "out" / "changed_timings.csv")["verdict"]) == ["SLOWER", "SAME"]


def test_the_page_is_whole_offline_and_in_the_looks_of_the_report(changed: Comparison, tmp_path: Path) -> None:
    source, seen, _, _ = written(changed, tmp_path / "out")
    assert seen.open == [] and len(seen.ids) == len(set(seen.ids))
    assert not re.search(r"https?://|@import|url\(|\bsrc=", source)
    assert "prefers-color-scheme: dark" in source
    assert source.startswith("<!doctype html>")


def test_names_are_text(stored: Make, checked: Make, timed: Make, tmp_path: Path) -> None:
    more = dict.fromkeys(("message", "replay", "clause", "spec", "dtype"), HOSTILE)
    texts = dict.fromkeys(("workload", "dtype", "direction", "description", "baseline"), HOSTILE)
    environment = {"cpu": HOSTILE, "packages": {"numpy": HOSTILE}, HOSTILE: HOSTILE}
    a = [
        checked(HOSTILE, HOSTILE, "agrees", **more),
        checked(HOSTILE, "q", "violates", **more),
        checked(HOSTILE, "r", "agrees", **more),
    ]
    b = [
        checked(HOSTILE, HOSTILE, "violates", **more),
        checked(HOSTILE, "q", "agrees", **more),
        checked(HOSTILE, "r", "vacuous", **more),
    ]
    times = [
        [timed(HOSTILE, ratio, **texts), timed("y", 1.0, **texts, verdict=verdict, reason=HOSTILE)]
        for ratio, verdict in ((1.0, "SAME"), (2.0, "INVALID"))
    ]
    for same in (True, False):
        first = stored(f"a{same}", checks=a, timings=times[0], environment=environment, started=HOSTILE)
        second = stored(
            f"b{same}", checks=b, timings=times[1], environment=environment if same else {"cpu": HOSTILE * 2}, started=HOSTILE
        )
        source, seen, comment, printed = written(Comparison.load(first, second), tmp_path / f"out{same}")
        assert seen.elements.count("script") == 1 and seen.open == []
        assert SHOWN in seen.text
        assert "<script" not in comment.replace(SHOWN, "")
        assert not {"\u202e", "\x1b"} & {*source, *comment, *printed}


@pytest.mark.parametrize("names", [(), ("checks",), ("timings",)])
def test_a_run_without_checks_or_timings_has_a_readable_page(
    stored: Make, checked: Make, timed: Make, tmp_path: Path, names: tuple[str, ...]
) -> None:
    tables = {"checks": [checked("x", "p", "agrees")], "timings": [timed("x", 1.0)]}
    a, b = stored("a", **{name: tables[name] for name in names}), stored("b", **tables)
    for comparison in (Comparison.load(a, b), Comparison.load(b, a)):
        _, seen, comment, printed = written(comparison, tmp_path / "out")
        assert comparison.compared == bool(names) and not comparison.worse
        expected = {
            (): "Nothing could be compared",
            ("checks",): "No outcome changed",
            ("timings",): "None of 1 timing became slower",
        }[names]
        assert all(expected in text for text in (seen.text, comment, printed))
        assert "nan" not in (comment + printed).lower()


def test_an_interrupted_run_is_named(stored: Make, checked: Make, tmp_path: Path) -> None:
    a, b = stored("a", checks=[checked("x", "p", "agrees")]), stored("b", checks=[checked("x", "p", "agrees")], complete=False)
    _, seen, comment, _ = written(Comparison.load(a, b), tmp_path / "out")
    assert "Run B was interrupted." in seen.text
    assert comment.startswith("### ⚠️")


@pytest.mark.slow
def test_however_much_changed_it_fits_a_comment_and_a_page(stored: Make, checked: Make, timed: Make, tmp_path: Path) -> None:
    long = {"message": "m" * 9999, "replay": "r" * 9999}
    sides = [[checked(f"an_implementation_{i}", f"{'long_' * 20}{p}", one if p % 2 else other, **long) for i in range(30) for p in range(30)]
             for one, other in (("agrees", "violates"), ("violates", "agrees"))]  # fmt: skip
    times = [[timed(f"x{i}", ratio, workload="w" * 500) for i in range(900)] for ratio in (1.0, 2.0)]
    comparison = Comparison.load(stored("a", checks=sides[0], timings=times[0]), stored("b", checks=sides[1], timings=times[1]))
    source, seen, comment, _ = written(comparison, tmp_path / "out")
    assert len(comment) < COMMENT_LIMIT
    assert "further lines in compare.html and the CSV files" in comment
    assert len(source) < 3_000_000
    assert "350 further lines in the CSV files" in seen.text
    assert "500 further lines in the CSV files" in seen.text

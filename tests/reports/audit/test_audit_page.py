"""report.html of an audit: its sections, its omissions and its size."""

import random
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from attention_reports import Run, write_report
from attention_reports.audit.page import link

Make = Callable[..., Path]
HOSTILE = "<script>alert('x')</script>\"|`@user \u202eabc\x1b[31m"
SHOWN = "<script>alert('x')</script>\"|`@user \\u202eabc\\x1b[31m"


class Page(HTMLParser):
    """What a browser would see: elements that stay open, ids, links, titles, and the text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.values: dict[str, list[str]] = {"id": [], "href": [], "title": [], "src": []}
        self.scripts = 0
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open += [] if tag in {"meta", "link", "input", "br"} else [tag]
        self.scripts += tag == "script"
        for name, value in attrs:
            if tag != "link":
                self.values.setdefault(name, []).append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data: str) -> None:
        self.text += data


def page(folder: Path) -> tuple[str, Page]:
    source = write_report(folder).read_text(encoding="utf-8")
    return source, Page(source)


def part(source: str, name: str) -> str:
    return source.partition(f'<section id="{name}">')[2].partition("</section>")[0]


def test_the_first_screen_asks_its_own_questions(audit: Path) -> None:
    _, seen = page(audit)
    asked = ("What is a green run worth?", "1 of 6 planted faults survived: the sink has a value; 1 of 3 controls is accused",
             "What would a green run have caught?", "Is a control accused?", "How does this compare with the checks in use?")  # fmt: skip
    places = [seen.text.index(words, seen.text.index(asked[0])) for words in asked]
    assert places == sorted(places)
    assert not any(words in seen.text for words in ("Is it fast?", "What should I use?", "Nothing could be judged"))


def test_the_squares_stand_for_the_faults_the_survivor_first(audit: Path) -> None:
    source, _ = page(audit)
    kinds = re.findall(r'class="([\w-]+)" tabindex=-1', source)
    assert kinds == ["survived", "soon-0", "soon-0", "soon-1", "soon-2", "soon-3"]
    assert re.findall(r"</i> <b>(\d+)</b> (.*?)</li>", source) == [
        ("1", "survived"), ("2", "by case 2"), ("1", "by case 3"), ("1", "by case 5"), ("1", "by case 40"),
    ]  # fmt: skip


def test_it_has_its_sections_and_none_about_implementations(audit: Path) -> None:
    source, seen = page(audit)
    assert re.findall(r'<section id="([\w-]+)">', source) == [
        "failures",
        "mutation-score",
        "vacuity",
        "controls",
        "other-checks",
        "coverage",
        "tables",
        "method",
    ]
    ids = seen.values["id"]
    assert len(ids) == len(set(ids))
    assert {href[1:] for href in seen.values["href"] if href.startswith("#")} <= set(ids)
    assert seen.open == []
    assert seen.values["src"] == []


def test_a_cell_says_how_many_of_a_class_and_marks_the_only_one(audit: Path) -> None:
    section = part(page(audit)[0], "mutation-score")
    assert ('<td style=--s:67 title="2 of 3 faults of C12 rejected by output agrees with the oracle, '
            '1 by nothing else">1</td>') in section  # fmt: skip
    assert '<td style=--s:100 title="1 of 1 fault of C15 rejected by query rows are independent"></td>' in section
    assert '<i class="key violates" title="1 fault of C18 survived">1</i>' in section


def test_columns_are_in_the_order_of_clauses_without_those_that_reject_nothing(audit: Path) -> None:
    first, second = re.findall(r'<table class="matrix.*?</thead>', part(page(audit)[0], "mutation-score"), re.DOTALL)
    assert re.findall(r"<small>(\w+)</small>", first) == ["P1", "P4", "R5", "S2"]
    assert re.findall(r"<small>(\w+)</small>", second) == ["L4"]


def test_every_fault_opens_and_the_survivor_is_the_first(audit: Path) -> None:
    section = part(page(audit)[0], "mutation-score")
    rows = re.findall(r"<details data-seconds.*?</details>", section, re.DOTALL)
    assert len(rows) == 6
    assert "data-survived><summary>" in rows[0]
    assert "the sink has a value" in rows[0]
    assert [row.count("only this property rejects it") for row in rows] == [0, 1, 0, 1, 0, 0]
    assert "attention-harness audit the_tail_reads_garbage" in rows[3]
    assert '<a href="https://github.com/pytorch/xla/issues/8671" rel="noreferrer">pytorch/xla#8671</a>' in rows[2]
    assert "in a forum" in rows[4]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("owner/repo#12", "https://github.com/owner/repo/issues/12"),
        ("ggml-org/llama.cpp#7", "https://github.com/ggml-org/llama.cpp/issues/7"),
        ("owner/repo@bd9a10e4eb", "https://github.com/owner/repo/commit/bd9a10e4eb"),
        ("owner/repo commit bd9a10e4eb", "https://github.com/owner/repo/commit/bd9a10e4eb"),
        ("", ""),
        ("a forum", ""),
        ("javascript:alert(1)", ""),
        ("owner/repo#12 and more", ""),
    ],
)
def test_only_issues_and_commits_become_links(text: str, address: str) -> None:
    assert link(text) == address


def test_idle_and_vacuous_properties_are_there(audit: Path) -> None:
    source, _ = page(audit)
    idle = source.partition('id="idle"')[2].partition("</section>")[0]
    assert idle.index("Rejected nothing at all") < idle.index("weights sum to one") < idle.index("Never first, never alone")
    assert idle.index("Never first, never alone") < idle.index("query rows are independent")
    vacuity = part(source, "vacuity")
    assert vacuity.count('<li class="much"') == 1
    assert "4 properties had no such case." in vacuity
    assert 'title="25 cases of 100 could tell nothing"' in vacuity


def test_other_checks_stand_below_our_own(audit: Path) -> None:
    other_checks = part(page(audit)[0], "other-checks")
    names = re.findall(r'<th scope="row">(.*?)</th>', other_checks)
    assert names == ["attention-harness", "by hand", "KernelBench", "ONNX vectors"]
    assert "no module named onnx" in other_checks


def test_a_quick_audit_has_a_note_instead_of_the_matrix(quick_audit: Path) -> None:
    source, seen = page(quick_audit)
    assert '<table class="matrix' not in source
    assert "so there is no matrix of classes and properties" in seen.text
    assert "rejects it" not in part(source, "mutation-score")
    assert 'id="other-checks"' not in source
    assert "C12" in part(source, "mutation-score")


@pytest.mark.slow
@pytest.mark.parametrize("frames", [[], ["faults"], ["kills"], ["controls"], ["vacuity"], ["other_checks"], ["faults", "kills"]])
def test_an_interrupted_audit_has_a_readable_page(audit: Path, make_run: Make, frames: list[str]) -> None:
    whole = Run.load(audit)
    rows = {name: getattr(whole, name).to_dict("records") for name in frames}
    for old in audit.glob("*.parquet"):
        old.unlink()
    _, seen = page(make_run({"schema": 1, "arguments": {"command": "audit"}}, **rows))
    assert "This run was interrupted" in seen.text
    assert seen.open == []


def test_whatever_an_audit_holds_is_shown_as_text(audit: Path, make_run: Make) -> None:
    whole = Run.load(audit)
    names = ("fault", "family", "family_name", "link", "spec", "killed_by", "clause", "dtype", "case", "message", "property", "name",
             "accused_by", "check", "source", "missing")  # fmt: skip
    frames = {
        frame: [{**row, **{name: HOSTILE for name in names if name in row}} for row in getattr(whole, frame).to_dict("records")]
        for frame in ("faults", "kills", "controls", "vacuity", "other_checks")
    }
    properties = [dict.fromkeys(("name", "clause", "spec", "summary"), HOSTILE)]
    source, seen = page(make_run({**whole.metadata, "properties": properties, "audit": {"failures": [HOSTILE]}}, **frames))
    assert seen.scripts == 1
    assert SHOWN in seen.text
    assert not set(source) & {"\u202e", "\x1b"}
    assert seen.open == []


def large(make_run: Make) -> Path:
    """450 faults in 40 classes, 110 properties, 7,000 kills."""
    draw = random.Random(1)
    names = [f"the_property_number_{i}_holds_for_every_case_of_it" for i in range(110)]
    faults = [
        {"fault": f"a_fault_with_a_long_name_that_says_what_is_wrong_{i}", "family": f"C{i % 40 + 1:02}", "family_name": "a class with a name",
         "link": f"some-owner/some-repository#{i}", "spec": "attention", "killed_by": names[0], "clause": "P0", "outcome": "violates",
         "cases": i % 30 + 1, "seconds": 0.1, "killers": 15, "message": "m" * 900, "case": "c" * 900}
        for i in range(450)
    ]  # fmt: skip
    pairs = {(draw.randrange(450), draw.randrange(110)) for _ in range(7600)}
    kills = [{"fault": faults[i]["fault"], "property": names[j], "clause": f"P{j}"} for i, j in sorted(pairs)]
    properties = [{"name": name, "clause": f"P{i}", "spec": "attention", "summary": "s" * 120} for i, name in enumerate(names)]
    return make_run({"complete": True, "arguments": {"command": "audit"}, "properties": properties}, faults=faults, kills=kills)


@pytest.mark.slow
def test_a_large_audit_stays_below_a_megabyte(make_run: Make) -> None:
    folder = large(make_run)
    assert len(Run.load(folder).kills) >= 7000
    assert write_report(folder).stat().st_size < 1_000_000


def test_the_same_audit_gives_the_same_page(audit: Path) -> None:
    assert page(audit)[0] == page(audit)[0]

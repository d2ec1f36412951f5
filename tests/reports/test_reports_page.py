"""report.html: complete, offline, small, and honest about names that try to be markup."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape

from attention_reports import Run, write_report
from attention_reports.cells import failures
from attention_reports.page import render
from attention_reports.text import visible

HOSTILE = "<script>alert('x')</script>\"|`@user $x$ \u202eabc\x1b[31m"
SHOWN = "<script>alert('x')</script>\"|`@user $x$ \\u202eabc\\x1b[31m"
VOID = {"meta", "link", "input", "br"}


class Page(HTMLParser):
    """What a browser would see: the open elements, ids, links into the page, text, and attributes that load something."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.elements: list[str] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.open += [] if tag in VOID else [tag]
        attributes = dict(attrs)
        self.ids += [attributes["id"] or ""] if "id" in attributes else []
        self.links += [attributes["href"] or ""] if tag == "a" else []
        self.loads += [
            f"{tag} {value}" for name, value in attrs if name in {"src", "srcset", "data", "action"} or name.startswith("on")
        ]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data: str) -> None:
        self.text += data


def page(folder: Path) -> tuple[str, Page]:
    source = write_report(folder).read_text(encoding="utf-8")
    return source, Page(source)


@pytest.fixture(scope="module")
def whole_page(whole_run: Path) -> tuple[str, Page]:
    return page(whole_run)


def test_the_first_screen_answers_the_four_questions(whole_page: tuple[str, Page]) -> None:
    _, seen = whole_page
    first = seen.text[seen.text.index("attention-harness") : seen.text.index("Each line is a property")]
    places = [
        first.index(part)
        for part in (
            "Is it right?",
            "9 of 12 implementations agree",
            "What is wrong",
            "How do we know?",
            "Is it fast?",
            "What should I use?",
        )
    ]
    assert places == sorted(places)
    assert "2 did not run: no CUDA device" in re.sub(r"\s+", " ", first)


def test_every_failing_cell_leads_to_its_evidence(whole_run: Path, whole_page: tuple[str, Page]) -> None:
    source, seen = whole_page
    failing = failures(Run.load(whole_run))
    into = [link for link in seen.links if link.startswith("#failure-")]
    assert len(set(into)) == len(failing) > 0
    assert {link[1:] for link in seen.links} <= set(seen.ids)
    assert all(cell.witness["replay"] in seen.text for cell in failing)
    assert source.count("fails only here</i>") == sum(cell.only_here for cell in failing)


def test_every_property_leads_to_its_statement(whole_run: Path, whole_page: tuple[str, Page]) -> None:
    run, seen = Run.load(whole_run), whole_page[1]
    judged = set(map(tuple, run.checks.query("property != ''")[["spec", "property"]].to_numpy()))
    assert {f"#property-{spec}-{name}" for spec, name in judged} == {link for link in seen.links if "#property-" in link}
    metadata = run.metadata | {
        "properties": [{"spec": s, "name": n, "summary": "Small (C10: a-b).", "statement": f"`|o| < {n}`"} for s, n in judged]
    }
    text = render(replace(run, metadata=metadata)).partition('<section id="properties">')[2].partition("</section>")[0]
    wanted = [f"<p>Small.</p><p><code>|o| &lt; {escape(visible(name))}</code></p>" for _, name in judged]
    assert [one for one in wanted if one not in text] == []


@pytest.mark.slow
def test_precision_shows_what_was_met_how_closely_and_what_differs(whole_run: Path) -> None:
    text = render(Run.load(whole_run)).partition('<section id="precision">')[2].partition("</section>")[0]
    assert text.count('<th scope="row">') == 5
    assert text.count('<span class="differs">exact</span>') == 2  # the first, in two dtypes, was tighter than declared
    assert text.count("none</span>") == 2  # and the last met nothing
    assert text.count('class="violates" style="width:100.0%"') == 2
    assert text.count("× eager") == 1 + 5


def test_ids_are_unique(whole_page: tuple[str, Page]) -> None:
    ids = whole_page[1].ids
    assert len(ids) == len(set(ids))


def test_elements_are_closed_in_the_order_they_were_opened(whole_page: tuple[str, Page]) -> None:
    assert whole_page[1].open == []


def test_nothing_is_loaded_from_anywhere(whole_page: tuple[str, Page]) -> None:
    source, seen = whole_page
    assert seen.loads == []
    assert all(link.startswith("#") for link in seen.links)
    assert set(re.findall(r"https?://[^\"'\s]+", source)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not re.search(r"@import|url\((?!#)", source)


@pytest.mark.slow
def test_a_realistic_page_is_small_and_a_huge_one_bounded(
    whole_run: Path, make_run: Callable[..., Path], row: Callable[..., dict[str, Any]]
) -> None:
    assert write_report(whole_run).stat().st_size < 1_000_000
    rows = [
        row(
            f"implementation-{i}",
            f"the_property_number_{p}_holds_for_every_case",
            "violates" if (i + p) % 9 == 0 else "agrees",
            dtype=dtype,
        )
        for i in range(40)
        for p in range(60)
        for dtype in ("float64", "float32", "bfloat16", "float16")
    ]
    agreement = [
        {"a": f"implementation-{i}", "b": f"implementation-{j}", "spec": "s", "cases": 9, "worst_ratio": 0.5}
        for i in range(40)
        for j in range(i)
    ]
    assert write_report(make_run(checks=rows, agreement=agreement)).stat().st_size < 3_000_000


@pytest.mark.slow
def test_the_same_run_gives_the_same_page(whole_run: Path, whole_page: tuple[str, Page]) -> None:
    assert page(whole_run)[0] == whole_page[0]


def hostile_run(make_run: Callable[..., Path], row: Callable[..., dict[str, Any]]) -> Path:
    more = dict.fromkeys(("message", "case", "replay", "clause", "spec", "framework", "version", "device"), HOSTILE)
    rows = [
        row(HOSTILE, HOSTILE, "violates", dtype=HOSTILE, **more),
        row("b", HOSTILE, "agrees"),
        row("c", "", "unavailable", message=HOSTILE),
    ]
    timing = {
        "workload": HOSTILE,
        "description": HOSTILE,
        "ratio": 0.5,
        "ratio_low": 0.4,
        "ratio_high": 0.6,
        "median": 1.0,
        "baseline": HOSTILE,
    }
    fields = {
        "complete": True, "command_line": HOSTILE, "started": HOSTILE, "seed": HOSTILE, "notes": [HOSTILE], "environment": {HOSTILE: {HOSTILE: HOSTILE}},
        "implementations": [{"name": HOSTILE, "conventions": {HOSTILE: HOSTILE}, "options": [HOSTILE], "dtypes": [HOSTILE]}],
        "properties": [{"name": HOSTILE, "spec": HOSTILE, "summary": HOSTILE}],
        "worked_example": {"source": HOSTILE, "words": [HOSTILE], "expected": [[HOSTILE]], "got": {HOSTILE: [[HOSTILE]]}, "deviation": {HOSTILE: 0.5}},
    }  # fmt: skip
    return make_run(
        fields,
        checks=rows,
        agreement=[{"a": HOSTILE, "b": "b", "spec": HOSTILE, "cases": 1, "worst_ratio": float("nan"), "case": HOSTILE}],
        timings=[
            {"implementation": HOSTILE, "verdict": "FASTER", **timing},
            {"implementation": "b", "verdict": HOSTILE, "reason": HOSTILE, **timing},
        ],
        coverage=[{"region": HOSTILE, "value": HOSTILE, "cases": 1}],
        profile=[{"implementation": HOSTILE, "part": HOSTILE, "meaning": HOSTILE, "seconds": 1.0}],
    )


def test_whatever_a_run_holds_is_shown_as_text(make_run: Callable[..., Path], row: Callable[..., dict[str, Any]]) -> None:
    source, seen = page(hostile_run(make_run, row))
    assert seen.elements.count("script") == 1
    assert SHOWN in seen.text
    assert not set(source) & {"\u202e", "\x1b"}
    assert seen.open == []


@pytest.mark.slow
@pytest.mark.parametrize("frames", [[], ["checks"], ["timings"], ["agreement"], ["coverage"], ["profile"]])
def test_an_interrupted_run_has_a_readable_page(make_run: Callable[..., Path], whole_run: Path, frames: list[str]) -> None:
    whole = Run.load(whole_run)
    folder = make_run({"schema": 1}, **{name: getattr(whole, name).head(40).to_dict("records") for name in frames})
    _, seen = page(folder)
    assert "This run was interrupted" in seen.text
    assert (folder / "report.md").read_text(encoding="utf-8").startswith("### ⚠️")
    assert {path.stem for path in folder.glob("*.csv")} == set(frames)


def test_the_page_shows_where_the_time_of_each_check_went(whole_run: Path) -> None:
    source, _ = page(whole_run)
    section = source[source.index('id="profile"') :].partition("</section>")[0]
    assert all(name in section for name in ("torch-flex", "oracle", "what bounds are", "calls"))
    assert "first calls" not in section  # it took no time anywhere


def test_a_run_in_which_nothing_could_run_says_so(make_run: Callable[..., Path], row: Callable[..., dict[str, Any]]) -> None:
    _, seen = page(make_run({"complete": True}, checks=[row(name, "", "unavailable", message="why") for name in "abc"]))
    assert "Nothing could be judged: 3 implementations did not run" in seen.text
    assert "Nothing can be recommended from this run." in seen.text


@pytest.fixture
def failing_run(make_run: Callable[..., Path], row: Callable[..., dict[str, Any]]) -> Path:
    """One implementation, wrong in P4 and in a relation that comes first in the document, and right in all else."""
    wrong = {
        "D5": "out of the sum=7, but should be 8 +- 0.1 [B=9]",
        "P4": "out[0,2]=1.304, but should be 0.94 +- 4e-07 [B=1 Hq=4]",
    }
    more = {id: {"clause": id, "message": message, "case": id, "replay": f"replay {id}"} for id, message in wrong.items()}
    rows = [row("mine", f"law_{id}", "violates", **fields) for id, fields in more.items()]
    folder = make_run(
        {"complete": True}, checks=[*rows, *(row("mine", f"kept_{i}", "agrees", clause=f"A{i}") for i in range(80))]
    )
    (folder / "cases").mkdir()
    record = {"problem": {"query_heads": 4, "key_heads": 2}, "picture": {"mask": [[1, 0], [1, 1]], "error": [[0.2], [30.0]]}}
    (folder / "cases" / "P4.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def test_of_a_failing_run_the_first_screen_is_the_finding(failing_run: Path) -> None:
    source, seen = page(failing_run)
    first = source[source.index("<header") : source.index("</header>")]
    parts = ("law P4", "out[0,2]=1.304, but should be 0.94 +- 4e-07", "got", ">1.304<", "wanted", ">0.94 +- 4e-07<",
            "query_heads=4", "<svg", "replay P4", "1 more property fails, by the same cause most likely: law D5")  # fmt: skip
    places = [first.index(part) for part in parts]
    assert places == sorted(places)
    assert not any(part in seen.text for part in ("Nothing was timed", "Nothing can be recommended"))


def test_of_a_failing_run_the_failed_lines_come_before_the_ticks_and_before_what_was_tried(failing_run: Path) -> None:
    source, seen = page(failing_run)
    rows = re.findall(r'<tr data-order="(\d+)" data-failing="(\d)"', source)
    assert [failing for _, failing in rows] == ["1", "1", *["0"] * 80]
    assert [int(order) for order, _ in rows] == list(range(1, 83))
    places = [seen.text.index(part) for part in ("does not agree", "What is wrong", "in words", "How do we know?", "Evidence\n")]
    assert places == sorted(places)


def test_further_findings_are_counted_and_none_of_them_is_lost(
    make_run: Callable[..., Path], row: Callable[..., dict[str, Any]]
) -> None:
    _, seen = page(make_run(checks=[row("a", f"law_{i}", "violates", clause=f"R{i}", message=f"m{i}") for i in range(1, 8)]))
    assert "3 more findings" in seen.text
    assert len([name for name in seen.ids if name.startswith("failure-")]) == 7


def test_a_right_implementation_beside_a_wrong_one_is_still_recommended(whole_page: tuple[str, Page]) -> None:
    source, _ = whole_page
    first = source[source.index("<header") : source.index("</header>")]
    assert first.index("What is wrong") < first.index("What should I use?")


def test_null_and_oddly_typed_metadata_do_no_harm(make_run: Callable[..., Path], row: Callable[..., dict[str, Any]]) -> None:
    odd = dict.fromkeys(
        ("implementations", "properties", "environment", "worked_example", "noise", "notes", "seconds", "started", "seed")
    )
    folder = make_run({"complete": True, **odd}, checks=[row("a", "p", "agrees")])
    assert "a agrees with the specification." in page(folder)[1].text


def test_evidence_beyond_the_limit_is_counted(make_run: Callable[..., Path], row: Callable[..., dict[str, Any]]) -> None:
    rows = [row(f"i{i}", f"p{p}", "violates") for i in range(13) for p in range(10)]
    _, seen = page(make_run(checks=rows))
    assert "10 further failing cells are in checks.csv" in seen.text
    assert sum(name.startswith("failure-") for name in seen.ids) == 120

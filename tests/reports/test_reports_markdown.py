"""report.md fits one comment, and mentions and links nobody."""

import math
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from attention_reports import Run, write_report
from attention_reports.markdown import escape, render

COMMENT_LIMIT = 65536  # characters of a comment on GitHub


def test_it_tells_verdict_counts_failures_and_timings(whole_run: Path) -> None:
    text = render(Run.load(whole_run))
    assert text.startswith(
        "### ❌ 9 of 12 implementations agree with the specification; 2 violate it: torch-flex and torch-chunked;"
    )
    assert "| ✗ torch-flex | torch 2.13.0 | 178 | 2 |" in text
    assert "replay: attention-harness replay cases/torch-flex-36.json torch-flex" in text
    assert "| P8 a window is a mask |  |  | **✗** only here |" in text
    assert "| gpt2-small, float32 forward | numpy-eager | BASELINE | 1.00× |" in text
    assert "no CUDA device: torch-cuda-sdpa-flash, torch-cuda-sdpa-cudnn" in text


@pytest.mark.slow
def test_it_fits_a_comment_however_much_is_wrong(make_run: Callable[..., Path], row: Callable[..., dict[str, Any]]) -> None:
    name = "an_implementation_with_a_long_name_"
    rows = [
        row(f"{name}{i}", f"{'long_' * 20}{p}", "violates", clause=f"R{p}", message="m" * 9999, replay="r" * 9999)
        for i in range(40)
        for p in range(60)
    ]
    timings = [
        {"implementation": f"{name}{i}", "workload": "w" * 500, "reason": "r" * 500, "verdict": "INVALID"} for i in range(400)
    ]
    folder = make_run(checks=rows, timings=timings)
    write_report(folder)
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert len(text) < COMMENT_LIMIT
    assert "2,380 further findings" in text


def test_what_is_wrong_stands_before_the_matrix_and_is_told_once(make_run: Callable[..., Path], row: Callable[..., Any]) -> None:
    rows = [row("a", f"law_{id}", "violates", clause=id, message=f"{id}=1, but should be 2") for id in ("D5", "P4")]
    text = render(Run.load(make_run(checks=rows)))
    places = [
        text.index(part)
        for part in ("What is wrong", "P4=1, but", "1 more property fails, by the same cause most likely: law D5.", "| fails |")
    ]
    assert places == sorted(places)
    assert "D5=1" not in text


def test_what_has_no_time_says_why_instead(make_run: Callable[..., Path]) -> None:
    reason = "dtype=float32, but should be float16"
    unsupported = {"implementation": "kernel", "workload": "w", "verdict": "UNSUPPORTED", "reason": reason, "median": math.nan}
    assert f"| kernel | UNSUPPORTED: {reason} |  |  |  |" in render(Run.load(make_run(timings=[unsupported])))


@pytest.mark.parametrize(
    "name",
    [
        "<b>",
        "@user",
        "#12",
        "a|b",
        "`c`",
        "*d*",
        "_e_",
        "[f](g)",
        "$x$",
        "https://h.example",
        "www.h.example",
        "- i",
        "1. j",
        "~~k~~",
        "&lt;",
    ],
)
def test_marks_of_markdown_are_written_as_references(name: str) -> None:
    assert escape(name) != name
    assert unescape(escape(name)) == name


def test_plain_names_stay_plain() -> None:
    assert escape("torch-sdpa-flash 2.13.0 (float16): empty_rows") == "torch-sdpa-flash 2.13.0 (float16): empty_rows"


def test_a_fence_is_longer_than_the_backticks_in_it(make_run: Callable[..., Path], row: Callable[..., dict[str, Any]]) -> None:
    text = render(Run.load(make_run(checks=[row("a", "p", "violates", message="x ```` y\nz")])))
    assert "`````text\nx ```` y\\nz\n`````" in text


def test_every_line_of_a_table_has_the_same_cells(whole_run: Path) -> None:
    blocks = re.findall(r"(?:^\|.*\n)+", render(Run.load(whole_run)), flags=re.MULTILINE)
    assert len(blocks) == 5
    assert all(len({line.count("|") for line in block.splitlines()}) == 1 for block in blocks)

"""The terminal shows text as text, with colour for people and whole lines for pipes."""

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from attention_reports import Run, markdown, print_checks, print_profile, print_timings


def printed(run: Run, *, terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system="standard" if terminal else None)
    print_checks(run, console)
    print_timings(run, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_pipe_gets_whole_lines_without_colour(whole_run: Path) -> None:
    text = printed(Run.load(whole_run), terminal=False)
    assert "\x1b" not in text
    assert "  replay: attention-harness replay cases/torch-flex-36.json torch-flex\n" in text
    assert max(map(len, text.splitlines())) > 100
    assert "torch-chunked has no valid time: it violates a_window_is_a_mask\n" in text


def test_a_profile_has_the_slowest_check_first_and_no_part_that_took_no_time(whole_run: Path) -> None:
    console = Console(file=io.StringIO(), width=100)
    print_profile(Run.load(whole_run), console)
    assert isinstance(console.file, io.StringIO)
    head, first, *others = console.file.getvalue().splitlines()
    assert head.split() == ["seconds", "of", "in", "all", "oracle", "bounds", "calls"]
    last = len(others) + 1
    assert first.split()[1:] == [f"{number * last:.1f}" for number in (7.75, 1.5, 2.25, 4.0)]
    assert others[-1].split()[1:] == ["7.8", "1.5", "2.2", "4.0"]


def test_the_first_line_is_what_explains_the_most(make_run: Callable[..., Path], row: Callable[..., dict[str, Any]]) -> None:
    rows = [row("a", f"law_{id}", "violates", clause=id, message=f"{id}=1, but should be 2") for id in ("D5", "P4")]
    lines = [
        line for line in printed(Run.load(make_run(checks=rows)), terminal=False).splitlines() if "law" in line or "=" in line
    ]
    assert lines == [
        "a violates: law P4 (float32)",
        "  P4=1, but should be 2",
        "  1 more property fails, by the same cause most likely: law D5",
    ]


def test_what_has_no_time_has_no_numbers(make_run: Callable[..., Path]) -> None:
    unsupported = {"implementation": "kernel", "workload": "w", "verdict": "UNSUPPORTED", "median": math.nan}
    text = printed(Run.load(make_run(timings=[unsupported])), terminal=False)
    assert "UNSUPPORTED" in text
    assert "n/a" not in text


def test_what_is_unsupported_says_why_with_the_workloads_of_each_reason(make_run: Callable[..., Path]) -> None:
    reasons = {
        "causal": "is_causal not in its signature",
        "causal-long": "is_causal not in its signature",
        "wide": "head_dim=128",
        "odd": "",
    }
    rows = [
        {"implementation": "kernel", "workload": name, "verdict": "UNSUPPORTED", "reason": reason}
        for name, reason in reasons.items()
    ]
    lines = printed(Run.load(make_run(timings=rows)), terminal=False).splitlines()
    assert [line for line in lines if "does not support" in line] == [
        "kernel does not support causal and causal-long: is_causal not in its signature",
        "kernel does not support wide: head_dim=128",
        "kernel does not support odd: no reason given",
    ]


def test_a_terminal_gets_colour(whole_run: Path) -> None:
    assert "\x1b[1;31m9 of 12 implementations agree" in printed(Run.load(whole_run), terminal=True)


def test_names_are_neither_markup_nor_escapes(make_run: Callable[..., Path], row: Callable[..., dict[str, Any]]) -> None:
    name = "[bold red]x[/] \x1b[2J\u202e"
    run = Run.load(make_run(checks=[row(name, "p", "violates", message=name, replay=name)], timings=[{"implementation": name}]))
    for terminal in (True, False):
        text = printed(run, terminal=terminal)
        assert "[bold red]x[/] \\x1b[2J\\u202e" in text
        assert "\x1b[2J" not in text
        assert "\u202e" not in text


def test_an_empty_run_prints_the_verdict(make_run: Callable[..., Path]) -> None:
    assert "Nothing could be judged: no check was recorded." in printed(Run.load(make_run({})), terminal=False)


def test_exponents_have_their_intervals(make_run: Callable[..., Path], grown: Callable[..., list[dict[str, Any]]]) -> None:
    run = Run.load(make_run(timings=grown("a", 2) + grown("b", 1)[:2]))
    lines = [line.split() for line in printed(run, terminal=False).splitlines() if line.startswith("s  ")]
    assert lines == [["s", "forward", "a", "2.00", "[2.00,", "2.00]", "1.00", "3"]]
    assert "| s | forward | a | 2.00 | [2.00, 2.00] | 1.00 | 3 |" in markdown.render(run)


def test_those_that_were_not_timed_are_named_with_the_reason_they_share():
    from attention_reports.terminal import _not_timed

    lines = _not_timed({"a": "no workload", "b": "no torch", "c": "no workload"})
    assert lines == ["a and c were not timed: no workload", "b was not timed: no torch"]

"""report.md and the terminal have the same facts about an audit as its page."""

import io
import re
from pathlib import Path

from rich.console import Console

from attention_reports import Run, print_audit, write_report
from attention_reports.markdown import render


def printed(folder: Path, *, terminal: bool = False) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120, color_system="standard" if terminal else None)
    print_audit(Run.load(folder), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_comment_has_verdict_classes_failures_and_other_checks(audit: Path) -> None:
    text = render(Run.load(audit))
    assert text.startswith("### ❌ 1 of 6 planted faults survived: the sink has a value; 1 of 3 controls is accused")
    assert (
        "| C12 | tail of the last block | 3 | 3 | 3 | P4 output agrees with the oracle and P1 every problem is answered |" in text
    )
    assert "| C18 | attention sinks | 1 | ❌ 0 |  |  |" in text
    assert "| the_sink_has_a_value | C18 |  | 171 |" in text
    assert "**scores in 16 bits** is accused: output agrees with the oracle" in text
    assert "- 1 property rejected nothing at all: weights_sum_to_one." in text
    assert "- 1 property could tell nothing in more than a fifth of the cases: query rows are independent (25 %)." in text
    assert "| attention-harness | 83 % | 5 of 6 | 1 of 3 |" in text
    assert "| ONNX vectors | not run |" in text


def test_every_line_of_a_table_has_the_same_cells(audit: Path) -> None:
    blocks = re.findall(r"(?:^\|.*\n)+", render(Run.load(audit)), flags=re.MULTILINE)
    assert len(blocks) == 3
    assert all(len({line.count("|") for line in block.splitlines()}) == 1 for block in blocks)


def test_each_table_has_a_csv_beside_it(audit: Path) -> None:
    write_report(audit)
    assert {path.stem for path in audit.glob("*.csv")} == {"faults", "kills", "controls", "vacuity", "other_checks", "coverage"}


def test_a_pipe_gets_whole_lines_and_the_verdict_last(audit: Path) -> None:
    lines = printed(audit).splitlines()
    assert lines[0].split() == ["class", "name", "faults", "rejected", "median", "cases", "first", "rejected", "by"]
    assert "survived: the_sink_has_a_value" in lines
    assert "accused: scores in 16 bits, by output_agrees_with_the_oracle" in lines
    assert lines[-1].startswith("1 of 6 planted faults survived")


def test_a_terminal_gets_colour(audit: Path) -> None:
    assert "\x1b[1;31m1 of 6 planted faults survived" in printed(audit, terminal=True)


def test_a_quick_audit_has_no_other_checks_to_print(quick_audit: Path) -> None:
    text = printed(quick_audit)
    assert "KernelBench" not in text
    assert "attention-harness audit --other-checks" in text

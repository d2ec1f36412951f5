"""The summary of a job: the report, at most 1 MiB with what the file had, cut between blocks."""

from __future__ import annotations

from attention_reports import Run
from attention_reports.ci import append_summary
from attention_reports.ci.summary import CUT, MOST_BYTES, cut
from attention_reports.markdown import render


def test_it_is_the_report_with_more_of_what_is_wrong(make_run, row, tmp_path):
    rows = [
        row(f"a{n}", f"law_{p}", "violates", clause=f"Z{p}", message=f"{n} {p}, but should be 2")
        for n in range(30)
        for p in range(2)
    ]
    run = Run.load(make_run(checks=rows))
    append_summary(run, tmp_path / "summary.md")
    text = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert text.startswith("### ❌ None of 30 implementations agree")
    assert text.count("replay") == render(run, 200).count("replay")
    assert text.count("but should be 2") >= 30 > render(run).count("but should be 2")
    assert text.index("0 0, but should be 2") < text.index("| fails |")


def test_it_is_added_to_what_is_there(whole_run, tmp_path):
    path = tmp_path / "summary.md"
    path.write_text("# Another step\n\n")
    append_summary(Run.load(whole_run), path)
    assert path.read_text(encoding="utf-8") == "# Another step\n\n" + render(Run.load(whole_run), 200)


def test_the_file_stays_below_the_limit(whole_run, tmp_path):
    path, run = tmp_path / "summary.md", Run.load(whole_run)
    path.write_text("x" * (MOST_BYTES - 3000))
    append_summary(run, path)
    added = path.read_text(encoding="utf-8")[MOST_BYTES - 3000 :]
    assert MOST_BYTES - 2000 < path.stat().st_size <= MOST_BYTES
    assert added.endswith(CUT) and render(run, 200).startswith(added.removesuffix(CUT))
    append_summary(run, path)
    assert path.stat().st_size <= MOST_BYTES


def test_a_cut_is_between_blocks_and_counts_bytes():
    text = "\n\n".join(["ä" * 100, "```text\none\ntwo\n```", "last" * 100])
    assert cut(text, len(text.encode())) == text
    assert cut(text, 300 + len(CUT)) == "\n\n".join(text.split("\n\n")[:2]) + CUT
    assert cut(text, 201 + len(CUT)) == "ä" * 100 + CUT
    assert cut(text, 100) == ""

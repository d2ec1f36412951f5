"""Annotations of the first failures, in the words of workflow commands."""

from __future__ import annotations

import re

from attention_reports import Run
from attention_reports.ci import annotations
from attention_reports.ci.annotations import MOST

COMMAND = re.compile(r"::error (?:file=([^,:]+),line=(\d+),)?title=([^,:]*)::(.*)")


def unescaped(text):
    for code, character in (("%0A", "\n"), ("%0D", "\r"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, character)
    return text


def test_one_is_at_the_line_that_defines_the_function(make_run, row, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("import numpy as np\n\n\n@decorated\ndef attention(q, k, v):\n    return q\n")
    targets = [{"name": "mine.py:attention", "location": f"{tmp_path}/mine.py:attention", "registered": False}]
    checks = [
        row(
            "mine.py:attention",
            "a_law",
            "violates",
            message="out=1 %, but should be 2: yes",
            replay="attention-harness replay a.json",
        )
    ]
    (line,) = annotations(Run.load(make_run(checks=checks, metadata={"arguments": {"targets": targets}})))
    file, number, title, data = COMMAND.fullmatch(line).groups()
    assert (file, number, unescaped(title)) == ("mine.py", "5", "mine.py:attention violates: a law")
    assert unescaped(data) == "out=1 %, but should be 2: yes\nreplay: attention-harness replay a.json"
    assert "%25" in data and "%0A" in data


def test_a_registered_name_has_no_place(make_run, row):
    targets = [{"name": "a", "location": "attention_implementations.numpy.eager:", "registered": True}]
    (line,) = annotations(
        Run.load(make_run(checks=[row("a", "law", "violates", message="m")], metadata={"arguments": {"targets": targets}}))
    )
    assert COMMAND.fullmatch(line).groups()[:2] == (None, None)


def test_foreign_text_ends_no_command_and_begins_none(make_run, row):
    message = "1\n::error::2\r\x1b[31m%0A::set-output name=a::b"
    (line,) = annotations(Run.load(make_run(checks=[row("a,line=9::b", "law", "violates", message=message)])))
    assert COMMAND.fullmatch(line)
    assert not re.search(r"[\r\n\x1b]", line)
    assert unescaped(COMMAND.fullmatch(line).group(3)) == "a,line=9::b violates: law"


def test_there_are_ten_at_most(make_run, row):
    rows = [row(f"a{n}", "law", "violates", message=f"{n}, but should be 2") for n in range(30)]
    assert len(annotations(Run.load(make_run(checks=rows)))) == MOST == 10


def test_there_is_none_where_all_agree(make_run, row):
    assert annotations(Run.load(make_run(checks=[row("a", "law", "agrees")]))) == []

"""The page about Python (docs/python.md): each of its blocks runs, and prints what stands below it."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


def blocks():
    """Kind and text of each fenced block, in order."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_each_block_runs_and_prints_what_stands_below_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names, printed = {"__name__": "page"}, StringIO()
    for kind, text in blocks():
        if kind == "text":
            assert printed.getvalue() == text
        elif kind == "python":
            printed = StringIO()
            with redirect_stdout(printed):
                exec(compile(text, str(PAGE), "exec", dont_inherit=True), names)
    assert list(tmp_path.iterdir()) == []

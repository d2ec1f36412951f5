"""The prose of the documents: the lengths of README and of its sentences, the width of lines, phrases that may not come back."""

from __future__ import annotations

import re
from pathlib import Path
from statistics import median, quantiles

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = sorted(path for path in (ROOT / "docs").rglob("*.md") if "generated" not in path.parts)
LONGEST, MEDIAN, NINTH_DECILE, WIDTH = 150, 15, 28, 100


def sentences(text):
    """The sentences of running text and of list items: no code blocks, tables, pictures or headings."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^(\||#|!\[).*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    for paragraph in re.split(r"\n\s*\n|\n(?=\s*(?:[*-]|\d+\.) )", text):
        yield from filter(None, re.split(r"(?<=[.?!])\s+(?=[A-Z`*0-9])", re.sub(r"^\s*(?:[*-]|\d+\.) ", "", paragraph).strip()))


def lengths(text):
    """Words of each sentence."""
    return [len(sentence.split()) for sentence in sentences(text)]


def test_words_are_counted():
    text = "# A head\n\nOne two, three. Four [five](six.md).\n\n```\nno\n```\n\n* Seven.\n* Eight nine\n  ten.\n\n| no |\n"
    assert lengths(text) == [3, 2, 1, 3]


def test_the_front_page_is_short():
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST
    assert median(lengths(text)) <= MEDIAN
    assert quantiles(lengths(text), n=10)[-1] <= NINTH_DECILE


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *PAGES], ids=lambda page: page.name)
def test_it_is_wrapped(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert [line for line in text.splitlines() if len(line) > WIDTH and not line.lstrip().startswith(("|", "!["))] == []


OBSCURE = re.compile(
    r"""tell\s+right\s+from\s+wrong
    |not\s+credited
    |counted,\s+not
    |what\s+gives\s+wrong\s+answers
    |seems\s+to\s+work\s+while
    |a\s+hole\s+as\s+a\s+hole
    |on\s+a\s+regression\s+and\s+on\s+nothing\s+else
    |never\s+been\s+the\s+first
    |hold\s+the\s+function\s+to
    |a\s+promise\s+that\s+(was\s+found\s+to\s+hold|holds)
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Phrases that a reader had to read twice, and that were replaced everywhere."""
FOLDERS = ("specs", "implementations", "harness", "reports", "docs")
TEXTS = [
    *ROOT.glob("*.md"),
    *(path for folder in FOLDERS for pattern in ("*.py", "*.md", "*.j2") for path in (ROOT / folder).rglob(pattern)),
    ROOT / "reports" / "example" / "report.html",
]


def test_no_obscure_phrase_is_left():
    texts = (path for path in TEXTS if "generated" not in path.parts)
    assert [str(path) for path in texts if OBSCURE.search(path.read_text(encoding="utf-8"))] == []


def test_such_a_phrase_is_seen():
    assert OBSCURE.search("no case could tell right from\n  wrong: counted, not credited")


QUESTIONS = [
    "Install", "Check a function", "In a test of your own", "What the outcomes mean", "Commands", "Can I trust it?", "Further",
]  # fmt: skip


def test_the_front_page_answers_in_the_order_of_a_users_questions():
    text = README.read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == QUESTIONS
    assert [line for line in ("**A layer**", "**In CI**", "**GPU.**", "| `vacuous` |") if line not in text] == []


@pytest.mark.parametrize(
    "command",
    [
        'python -m pip install -c constraints.txt -e ".[all]" && attention-harness run',
        "python -m pip install tox && tox run-parallel",
    ],
)
def test_a_command_to_set_up_is_a_line_of_its_own(command):
    assert command in README.read_text(encoding="utf-8").splitlines()

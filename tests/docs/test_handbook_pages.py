"""The generated reference: a page for each thing that the code has, and a picture of each mask, bias and layout."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
import typer

import attention_harness
from attention_harness.cli.app import app
from attention_harness.conformance.check import load_properties
from attention_reports import outcomes, schema
from attention_specs.biases import BIASES
from attention_specs.contract import CHOICES
from attention_specs.layouts import LAYOUTS
from attention_specs.masks import MASKS
from attention_specs.precision import MODELS
from attention_specs.property import PROPERTIES
from generator import assertion, catalogue, commands, failing, findings, markdown, properties, python_api, records, write_pages

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def property_pages():
    return {name: text for name, text in properties.pages().items() if name.endswith(".md")}


def test_each_property_has_a_page_with_its_statement_a_fault_and_a_public_bug(property_pages):
    load_properties()
    assert set(property_pages) == {"properties/index.md"} | {f"properties/{one.id}.md" for one in PROPERTIES.values()}
    for one in PROPERTIES.values():
        text = property_pages[f"properties/{one.id}.md"]
        assert properties.relinked(properties.statements()[one.id]) in text
        assert re.search(rf"^\*\*`\w+`\*\* {'of `' if one.id in properties.ELSEWHERE else '[(]'}", text, re.MULTILINE), one.id
        assert re.search(r"^\| \[[^]]+\]\(https://github\.com/[\w.-]+/[\w.-]+/(issues|commit)/\w+\)", text, re.MULTILINE), one.id


def test_the_fault_on_a_page_is_one_that_fewest_others_reject(property_pages):
    rejections = properties.rejections()
    tried = [one for one in PROPERTIES.values() if properties.rejected_by(one)]
    assert len(tried) > 100
    for one in tried:
        first, *others = properties.rejected_by(one)
        assert one.id in rejections[first.name]
        assert all(len(rejections[first.name]) <= len(rejections[other.name]) for other in others)
        chosen, text = properties.fault_of_page(one), property_pages[f"properties/{one.id}.md"]
        assert f"**`{chosen.name}`**" in text
        assert (chosen is first) == ("no other of these is rejected by fewer properties" in text)
    assert sum(properties.fault_of_page(one) is properties.rejected_by(one)[0] for one in tried) > 0.9 * len(tried)


def test_each_page_has_a_small_failure(property_pages):
    without = [name for name, text in property_pages.items() if "The smallest failure that a check finds" not in text]
    assert without == ["properties/index.md"]


def test_a_failure_of_several_scores_has_a_picture():
    drawn = properties.failure_pictures()
    assert len(drawn) > 30
    assert all("<svg" in svg for svg in drawn.values())
    assert f"![{failing.CAPTION}](R16.svg)" in properties.pages()["properties/R16.md"]


def test_each_command_and_option_has_its_line():
    pages = commands.pages()
    for name, command in typer.main.get_command(app).commands.items():
        text = pages[f"commands/{name}.md"]
        assert [one.name for one in command.params if one.opts[0].startswith("-") and f"`{one.opts[0]}" not in text] == []
    assert "| `--seed SEED` | Decides every case. `secret`:" in pages["commands/check.md"]


def test_each_public_name_has_its_docstring():
    text = python_api.pages()["python-api.md"]
    for name in attention_harness.__all__:
        assert f"## {name}\n" in text
        assert inspect.getdoc(getattr(attention_harness, name)) in text


def test_tables_are_complete():
    pages = records.pages()
    for page, names in {
        "outcomes.md": outcomes.BY_NAME,
        "conventions.md": CHOICES,
        "precision-models.md": MODELS,
        "tables.md": [column for columns in schema.FRAMES.values() for column in columns],
    }.items():
        assert [name for name in names if f"`{name}`" not in pages[page]] == []


def test_each_mask_bias_and_layout_has_a_picture():
    pages = catalogue.pages()
    for folder, names in {"masks": MASKS, "biases": BIASES, "layouts": LAYOUTS}.items():
        assert [name for name in names if "<svg" not in pages[f"{folder}/{name}.svg"]] == []
        assert [name for name in names if f"({folder}/{name}.svg)" not in pages[f"{folder}.md"]] == []


def test_the_faults_of_the_assertion_are_counted_by_class():
    text = assertion.pages()["assertion.md"]
    counts = [list(map(int, row)) for row in re.findall(r"^\| C\d\d \|[^|]*\| (\d+) \| (\d+) \| (\d+) \|", text, re.MULTILINE)]
    total = re.search(r"^\|  \| all \| (\d+) \| (\d+) \| (\d+) \|", text, re.MULTILINE)
    assert [sum(column) for column in zip(*counts, strict=True)] == list(map(int, total.groups()))
    assert all(beyond <= every for every, beyond, _ in counts)
    assert int(total[2]) > 300


def test_each_finding_has_a_page_and_a_line_of_the_index():
    pages = findings.pages()
    assert len(pages) > 20
    assert [
        name for name in pages if name != "findings/index.md" and f"({Path(name).name})" not in pages["findings/index.md"]
    ] == []


def test_every_page_of_the_handbook_is_in_its_index():
    written = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md") if "generated" not in path.parts}
    assert written - set((DOCS / "index.md").read_text(encoding="utf-8").split()) == {"index"}


def test_pages_are_written_once_and_stale_ones_go(tmp_path):
    (tmp_path / "stale.md").write_text("")
    write_pages(tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    write_pages(tmp_path)
    assert tmp_path / "stale.md" not in times
    assert times == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}


def test_a_cell_of_a_table_is_one_line():
    assert markdown.table(("a",), [("b | c\n d",)]) == "| a |\n| --- |\n| b \\| c d |"

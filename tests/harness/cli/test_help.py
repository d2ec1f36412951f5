"""Help, versions, and the list of the properties."""

from __future__ import annotations

import json
import re
import shlex

import pytest
import typer

from attention_harness.cli.app import app, main
from attention_harness.cli.help import EXAMPLES
from attention_harness.conformance.check import load_properties
from attention_specs.property import PROPERTIES

COMMANDS = typer.main.get_command(app).commands


def test_every_command_has_examples():
    assert set(EXAMPLES) == set(COMMANDS)


@pytest.mark.parametrize("words", [words for examples in EXAMPLES.values() for words in examples])
def test_an_example_is_a_call_that_can_be_parsed(words):
    command, *arguments = shlex.split(words)
    COMMANDS[command].make_context(command, arguments)


def test_help_shows_them(capsys):
    main(["check", "--help"])
    assert "attention-harness check mine.py:attention --quick" in capsys.readouterr().out


def test_the_version_is_one_line(capsys):
    assert main(["--version"]) == 0
    out = capsys.readouterr().out
    assert re.fullmatch(r"attention-harness \S+ \(Python [\d.]+, numpy [\d.]+.*\)\n", out)


def test_properties_lists_all_with_their_sentences(capsys):
    load_properties()
    assert main(["properties", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["properties"]
    assert [(one["id"], one["name"], one["sentence"]) for one in listed] == [
        (p.id, p.name, p.sentence) for p in PROPERTIES.values()
    ]


def test_properties_takes_patterns_and_prints_a_line_for_each(capsys):
    assert main(["properties", "P4", "W?"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["id", "name", "sentence"]
    assert [line.split()[0] for line in lines] == ["P4", *(one.id for one in PROPERTIES.values() if re.fullmatch("W.", one.id))]


def test_an_unknown_property_is_one_line(capsys):
    assert main(["properties", "output_agrees_with_oracle"]) == 2
    line = "attention-harness: property=output_agrees_with_oracle, but should be output_agrees_with_the_oracle\n"
    assert capsys.readouterr().err == line

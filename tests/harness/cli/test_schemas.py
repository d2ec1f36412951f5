"""Each command prints what its schema says; the schemas have the lists of the code, and refuse what is not in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from attention_harness.cli import output
from attention_harness.cli.app import app, main
from attention_harness.errors import FAILING, Outcome
from attention_harness.runs.verdict import VERSION as VERDICT_VERSION
from attention_harness.runs.verdict import Stage, Status
from attention_harness.timing.analysis.tables import COLUMNS as TIMINGS
from attention_reports import schema
from attention_reports.comparison.checks import COLUMNS as CHANGED_CHECKS
from attention_reports.comparison.timings import COLUMNS as CHANGED_TIMINGS
from attention_reports.comparison.timings import VERDICTS

FOLDER = Path(__file__).parents[3] / "schemas"
SCHEMAS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.json")}
PARTS = SCHEMAS["definitions"]["$defs"]
FEW = ("--property", "P4", "--dtype", "float32", "--examples", "3")
SHORT = ("--workload", "bert-base-128", "--seconds", "0.05", "--processes", "1")
COMMANDS = {
    "list": (("list", "numpy-eager", "torch-cuda-eager"),),
    "check": (("check", "tiled.py:attention", "raises.py:attention", "--quick", "--property", "P4"), ("check", "numpy-eager", "numpy-multi-head", "--quick", *FEW)),
    "bench": (("bench", "right.py:attention", *SHORT, "--baseline-run", "before"),),
    "run": (("run", "numpy-eager", "--quick", *FEW, "--workload", "bert-base-128"),),
    "compare": (("compare", "before", "after"),),
    "matrix": (("matrix", "before"), ("matrix", "before", "after", "--output", "other", "--before", "matrix/matrix.json")),
    "probe": (("probe", "right.py:attention"),),
    "audit": (("audit", "tiled.py", "--quick", "--examples", "3"),),
    "properties": (("properties",), ("properties", "P4")),
    "replay": (("check", "tiled.py:attention", "--quick", *FEW, "--output", "run"), ("replay", "CASE")),
}  # fmt: skip
"""Command -> calls, whose documents are those of the command that stands first in each."""


def has_json(command):
    return any("--json" in parameter.opts for parameter in command.params)


def test_every_command_with_a_document_is_tried_and_has_a_schema():
    import typer

    commands = typer.main.get_command(app).commands
    assert {name for name, command in commands.items() if has_json(command)} == set(COMMANDS)
    assert set(SCHEMAS) == {*COMMANDS, "verdict", "definitions"}


@pytest.fixture
def two_runs(stored, checked, timed):
    """The stored runs `before` and `after`: a property broke, one workload became slower, another appeared."""
    stored("before", [checked("numpy-eager", "a_property", "agrees")], [timed("right.py:attention", 1.0)])
    after = [timed("right.py:attention", 2.0), timed("numpy-online", 1.5, workload="other")]
    stored("after", [checked("numpy-eager", "a_property", "violates", message="1, but should be 2")], after)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_the_documents_are_as_the_schema_says(command, endings, two_runs, validate, capfd):
    for call in COMMANDS[command]:
        words = [str(next(endings.glob("run/cases/*.json"))) if word == "CASE" else word for word in call]
        status = main([*words, "--json"])
        out, err = capfd.readouterr()
        if status == 2:
            assert (out, err.count("\n")) == ("", 1)
            continue
        validate(call[0], json.loads(out))


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_a_schema_is_one_and_every_object_in_it_is_closed_or_says_why(name):
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    for part in objects(SCHEMAS[name]):
        assert part.get("additionalProperties") is False or "Further declarations" in part.get("description", ""), part
        assert set(part.get("required", ())) <= set(part["properties"])


def objects(schema):
    """All parts that name properties."""
    if isinstance(schema, dict):
        if "properties" in schema and isinstance(schema["properties"], dict) and schema.get("type") == "object":
            yield schema
        for value in schema.values():
            yield from objects(value)
    if isinstance(schema, list):
        for value in schema:
            yield from objects(value)


def test_the_closed_lists_are_those_of_the_code():
    assert PARTS["outcome"]["enum"] == [outcome for outcome in Outcome if outcome != Outcome.UNLOADABLE]
    assert set(PARTS["changed_timing"]["properties"]["verdict"]["enum"]) == set(VERDICTS)
    verdict = SCHEMAS["verdict"]["properties"]
    assert set(verdict["status"]["enum"]) == set(Status)
    assert verdict["stage"]["enum"] == [*Stage]
    assert verdict["failures"]["items"]["properties"]["outcome"]["enum"] == [*FAILING]


def test_the_columns_are_those_of_the_tables():
    assert list(PARTS["check"]["properties"]) == list(schema.CHECKS)
    assert list(PARTS["timing"]["properties"]) == list(TIMINGS)
    assert list(PARTS["changed_check"]["properties"]) == CHANGED_CHECKS
    assert list(PARTS["changed_timing"]["properties"]) == CHANGED_TIMINGS


def test_the_versions_are_those_of_the_code():
    versions = {name: schema["properties"]["version"]["const"] for name, schema in SCHEMAS.items() if name != "definitions"}
    assert versions.pop("verdict") == VERDICT_VERSION
    assert set(versions.values()) == {output.VERSION}


ROW = {
    "implementation": "a", "framework": "numpy", "version": "2", "device": "cpu", "dtype": "float32", "spec": "attention", "property": "p",
    "clause": "P4", "outcome": "agrees", "cases": 1, "vacuous": 0, "worst_ratio": None, "seconds": 0.1, "case": "", "message": "",
    "replay": "", "others": [], "looks_like": "",
}  # fmt: skip


@pytest.mark.parametrize(
    "wrong", [{"outcome": "fine"}, {"outcome": "unloadable"}, {"clause": "p4"}, {"cases": -1}, {"cases": 1.5}, {"more": 1}, {"dtype": "a dtype"}],
    ids=str,
)  # fmt: skip
def test_a_wrong_row_is_refused(validate, wrong):
    validate("check", {"version": 1, "checks": [ROW], "folder": "run"})
    with pytest.raises(Exception, match="Failed validating"):
        validate("check", {"version": 1, "checks": [ROW | wrong], "folder": "run"})


@pytest.mark.parametrize("wrong", [{"version": 2}, {"folder": None}, {"checks": {}}], ids=str)
def test_a_wrong_document_is_refused(validate, wrong):
    with pytest.raises(Exception, match="Failed validating"):
        validate("check", {"version": 1, "checks": [], "folder": "run"} | wrong)

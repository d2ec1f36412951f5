"""`check --hide-cases`: no case, number, message or replay line, wherever one looks."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import pandas as pd
import pytest

from attention_harness.cli import check as checking
from attention_harness.cli.app import main
from attention_harness.runs import ending

SEED = 918_273
SECRETS = re.compile(rf"secret|but should|out\[\d|attention-harness replay|recipe=|\bHkv=|{SEED}|head_dim=")
"""Parts of messages, cases and replay lines, a word of the function's own message, and the seed, which draws the cases again."""
pytestmark = pytest.mark.slow
FILES = ("--verdict", "verdict.json", "--junit", "junit.xml", "--summary", "summary.md", "--output", "run")
CHECK = ("--quick", "--seed", str(SEED), *FILES)
FAILING = ("tiled.py:attention", "tells.py:attention")


def everything(folder):
    """The text of all that was written, tables included."""
    for path in (path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")):
        yield path.name, pd.read_parquet(path).to_csv() if path.suffix == ".parquet" else path.read_text(errors="replace")


def without_statements(name, text):
    """The properties in run.json have their statements, with examples of outputs."""
    return json.dumps(json.loads(text) | {"properties": {}}) if name == "run.json" else text


def secrets(texts):
    kept = ((name, without_statements(name, text)) for name, text in texts)
    return {name: match.group() for name, text in kept if (match := SECRETS.search(text))}


@pytest.mark.parametrize("target", FAILING)
@pytest.mark.parametrize("more", [(), ("--json",)], ids=["text", "json"])
def test_nothing_says_which_cases_there_are(endings, capfd, monkeypatch, target, more):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert main(["check", target, *CHECK, "--hide-cases", *more]) == 1
    out, err = capfd.readouterr()
    assert secrets([*everything(endings), ("stdout", out), ("stderr", err)]) == {}
    assert not (endings / "run" / "cases").exists()
    assert "of the bound" not in (endings / "run" / "report.md").read_text()


@pytest.mark.parametrize("target", FAILING)
def test_without_the_option_it_is_all_there(endings, capfd, target):
    assert main(["check", target, *CHECK]) == 1
    out, err = capfd.readouterr()
    assert {"verdict.json", "checks.parquet", "report.md", "run.json", "stdout"} <= secrets(
        [*everything(endings), ("stdout", out)]
    ).keys()
    assert secrets([("stderr", err)])


def test_outcomes_and_counts_are_there_all_the_same(endings, capsys, validate):
    main(["check", "tiled.py:attention", *CHECK, "--hide-cases", "--json"])
    document, verdict = json.loads(capsys.readouterr().out), json.loads(Path("verdict.json").read_text())
    validate("check", document)
    validate("verdict", verdict)
    main(["check", "tiled.py:attention", *CHECK[:-1], "open", "--json"])
    plain = json.loads(capsys.readouterr().out)
    columns = ("property", "dtype", "outcome", "cases", "vacuous")
    assert [[row[name] for name in columns] for row in document["checks"]] == [
        [row[name] for name in columns] for row in plain["checks"]
    ]
    assert verdict["failures"][0] == {
        "implementation": "tiled.py:attention", "id": "P4", "property": "output_agrees_with_the_oracle", "outcome": "violates",
        "dtypes": verdict["failures"][0]["dtypes"], "sentence": "output agrees with the oracle", "case": "", "replay": "",
    }  # fmt: skip


def test_a_function_that_refuses_most_learns_the_counts(endings, capfd):
    assert main(["check", "picky.py:attention", *CHECK, "--dtype", "float32", "--property", "P4", "--hide-cases"]) == 3
    out, err = capfd.readouterr()
    assert re.fullmatch(r"\d+ of \d+ cases answered", json.loads(Path("verdict.json").read_text())["message"])
    assert secrets([*everything(endings), ("stdout", out), ("stderr", err)]) == {}


def test_a_fault_of_ours_says_nothing_either(endings, capfd, monkeypatch):
    def broken(*arguments, **more):
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(checking, "write_report", broken)
    assert main(["check", "tiled.py:attention", *CHECK, "--hide-cases"]) == ending.OURS
    out, err = capfd.readouterr()
    assert "ZeroDivisionError" in err
    assert secrets([*everything(endings), ("stdout", out), ("stderr", err)]) == {}


def test_an_interrupted_run_cannot_go_on_hidden(endings, capsys):
    assert main(["check", "--resume", "run", "--hide-cases"]) == 2
    assert "a check with --hide-cases begins anew" in capsys.readouterr().err


def test_an_interruption_leaves_nothing_behind(endings, tmp_path):
    (endings / "temporary").mkdir()
    command = [sys.executable, "-m", "attention_harness", "check", "hangs.py:attention", *CHECK, "--hide-cases"]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path),
        "TMPDIR": str(endings / "temporary"),
    }
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    end = monotonic() + 60
    while monotonic() < end and not [*endings.glob("temporary/attention-harness-*")]:
        sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=10)
    assert "attention-harness: interrupted" in out and "resume" not in out
    assert [*endings.glob("temporary/attention-harness-*")] == []
    assert secrets([*everything(endings), ("output", out)]) == {}

"""`check --verdict FILE`: one document at every end, whole at every moment, whose status agrees with the exit status."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from time import monotonic, sleep
from types import SimpleNamespace

import pytest

from attention_harness.cli import check as checking
from attention_harness.cli.app import main
from attention_harness.cli.exit_status import NOTHING, RIGHT, WRONG, status_of
from attention_harness.errors import Outcome
from attention_harness.runs import ending, verdict
from attention_harness.runs.verdict import Stage, Status, Verdict

ROOT = Path(__file__).parents[3]
SMALL = ("--quick", "--dtype", "float32", "--property", "P4", "--output", "run")
ENDS = [
    ("right.py:attention", (*SMALL,), "agrees", "first-stage", 0),
    ("tiled.py:attention", (*SMALL,), "violates", "first-stage", 1),
    ("aborts.py:attention", (*SMALL, "--fail-fast"), "crashed", "first-stage", 1),
    ("hangs.py:attention", (*SMALL, "--timeout", "0.2"), "timed-out", "first-stage", 1),
    ("tells.py:attention", (*SMALL, "--fail-fast"), "errored", "first-stage", 1),
    ("picky.py:attention", (*SMALL,), "too-little", "first-stage", 3),
    ("refuses.py:attention", (*SMALL,), "too-little", "first-stage", 3),
    ("right.py:attention", ("--quick", "--property", "V1", "--dtype", "float16", "--output", "run"), "not-judged", "first-stage", 3),
    ("torch-cuda-eager", (*SMALL,), "unavailable", "load", 3),
    ("raises.py:attention", (*SMALL,), "not-loaded", "load", 2),
    ("absent.py:attention", (*SMALL,), "invalid-request", "request", 2),
    ("right.py:attention", ("--colour",), "invalid-request", "request", 2),
    ("right.py:attention", ("--examples", "many"), "invalid-request", "request", 2),
    ("right.py:attention", ("--property", "is_nice"), "invalid-request", "request", 2),
    ("right.py:attention", ("--examples", "3", *SMALL[1:]), "agrees", "suite", 0),
    ("tiled.py:attention", ("--examples", "3", "--fail-fast", *SMALL[1:]), "violates", "first-stage", 1),
]  # fmt: skip


def read(path="verdict.json"):
    return json.loads(Path(path).read_text())


@pytest.mark.slow
@pytest.mark.parametrize(("target", "options", "status", "stage", "exit_status"), ENDS, ids=lambda value: str(value)[:40])
def test_every_end_has_a_verdict(endings, validate, capsys, target, options, status, stage, exit_status):
    if target == "torch-cuda-eager":
        pytest.importorskip("torch")
        skip_with_a_gpu()
    assert main(["check", target, *options, "--verdict", "verdict.json"]) == exit_status
    document = read()
    validate("verdict", document)
    assert (document["status"], document["stage"]) == (status, stage)
    assert bool(document["failures"]) == (exit_status == 1)
    assert bool(document["message"]) == (exit_status in (2, 3) and status != "not-judged")
    assert sorted(path.name for path in endings.iterdir() if "verdict" in path.name) == ["verdict.json"]


def skip_with_a_gpu():
    import torch

    if torch.cuda.is_available():
        pytest.skip("the implementation is available here")


def test_a_failure_has_its_sentence_its_case_and_its_replay_line(endings, capsys):
    main(["check", "tiled.py:attention", *SMALL, "--verdict=verdict.json"])
    (failure,) = read()["failures"]
    assert (failure["id"], failure["property"], failure["dtypes"]) == ("P4", "output_agrees_with_the_oracle", ["float32"])
    assert (
        failure["sentence"].startswith("out[") and ", but should be " in failure["sentence"] and "Hq=" not in failure["sentence"]
    )
    assert failure["case"].startswith("B=1 Hq=")
    assert main(failure["replay"].split()[1:]) == 1


@pytest.mark.slow
def test_a_budget_that_ends_early_is_said(endings, capsys):
    assert main(["check", "numpy-eager", "--budget", "0.1s", "--output", "run", "--verdict", "verdict.json"]) in (0, 3)
    assert "further cases were not tried" in read()["message"]


@pytest.mark.slow
def test_the_share_is_that_of_the_cases_that_were_answered(endings, capsys):
    main(["check", "right.py:attention", *SMALL, "--verdict", "verdict.json"])
    whole = read()["share_judged"]
    main(["check", "picky.py:attention", *SMALL[:-1], "picky", "--verdict", "verdict.json"])
    assert 0 < read()["share_judged"] < 0.5 < whole <= 1


def test_a_fault_of_ours_is_one(endings, capsys, monkeypatch, validate):
    def broken(*arguments, **more):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(checking, "write_report", broken)
    assert main(["check", "tiled.py:attention", *SMALL, "--verdict", "verdict.json"]) == ending.OURS
    document = read()
    validate("verdict", document)
    assert document["status"] == "harness-fault" and "ZeroDivisionError: ours" in document["message"]


@pytest.mark.parametrize("path", ["nowhere/verdict.json", "."])
def test_a_file_that_cannot_be_written_is_one_line(endings, capsys, path):
    assert main(["check", "right.py:attention", "--verdict", path]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert f"verdict={path}, but should be a file that can be written" in err
    assert not Path("reports").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_an_interrupted_check_has_what_was_known(endings, validate, number):
    command = [
        sys.executable,
        "-m",
        "attention_harness",
        "check",
        "tiled.py:attention",
        "hangs.py:attention",
        "--verdict",
        "verdict.json",
    ]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = monotonic() + 60
    while monotonic() < end and not (Path("verdict.json").exists() and read()["failures"]):
        sleep(0.02)
    process.send_signal(number)
    process.wait(10)
    document = read()
    validate("verdict", document)
    assert (document["status"], document["stage"]) == ("unfinished", "first-stage")
    assert document["failures"][0]["sentence"].startswith("out[")


def test_the_page_has_every_status_and_stage():
    page = (ROOT / "docs" / "machines.md").read_text(encoding="utf-8")
    table = page[page.index("| status |") : page.index("The file is there at every end")]
    rows = [line.split("|")[1] for line in table.splitlines()[2:] if line.startswith("|")]
    assert {name for row in rows for name in re.findall("`([a-z-]+)`", row)} == {*Status}
    assert all(f"`{stage}`" in page for stage in Stage)


def test_the_document_of_the_page_is_one(validate):
    page = (ROOT / "docs" / "machines.md").read_text(encoding="utf-8")
    validate("verdict", json.loads(page.partition("```json\n")[2].partition("```")[0]))


def result(*outcomes, described=True, too_little=False, ours=False):
    rows = [SimpleNamespace(outcome=outcome) for outcome in outcomes]
    wrong = any(outcome.wrong for outcome in outcomes)
    return SimpleNamespace(rows=rows, description=described or None, too_little=too_little, ours=ours, wrong=wrong)


def test_status_and_exit_status_agree():
    exits = {Status.AGREES: RIGHT, Status.HARNESS_FAULT: ending.OURS}
    exits |= dict.fromkeys((Status.TOO_LITTLE, Status.NOT_JUDGED, Status.UNAVAILABLE), NOTHING)
    for outcomes in (pair for size in (1, 2) for pair in combinations(Outcome, size)):
        for more in ({}, {"too_little": True}, {"ours": True}):
            results = [result(*outcomes, **more)]
            assert exits.get(verdict.status_of(results), WRONG) == status_of(results), (outcomes, more)


def test_the_worst_outcome_is_the_status():
    assert verdict.status_of([result(Outcome.VIOLATES), result(Outcome.CRASHED, Outcome.AGREES)]) == Status.CRASHED


def test_the_closed_lists_are_those_of_the_schema(validate):
    for status in Status:
        for stage in Stage:
            document = Verdict().document() | {"status": status, "stage": stage}
            validate("verdict", json.loads(json.dumps(document)))
    with pytest.raises(Exception, match="is not one of"):
        validate("verdict", Verdict().document() | {"status": "fine"})


@pytest.mark.parametrize(
    ("words", "path"),
    [(["check", "a", "--verdict", "f"], "f"), (["check", "--verdict=f"], "f"), (["check", "--verdict", "e", "--verdict", "f"], "f"),
     (["run", "--verdict", "f"], None), (["check", "--verdict"], None), ([], None)],
)  # fmt: skip
def test_the_file_is_known_before_the_options_are_read(words, path):
    assert Verdict.requested(words).path == (path and Path(path))

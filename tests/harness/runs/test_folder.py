"""A folder belongs to one run: no file is written over, taken over or shared."""

from __future__ import annotations

import json

import pytest

from attention_harness.cli.app import main
from attention_harness.conformance.check import CheckResult
from attention_harness.conformance.failures.reproducers import file_name
from attention_harness.conformance.records import CheckRow
from attention_harness.conformance.settings import Settings
from attention_harness.registry.targets import resolve
from attention_harness.runs import folder as folders
from attention_harness.runs.folder import RunRequest
from attention_harness.runs.run import Run

CHECK = ["check", "numpy-eager", "--examples", "2", "--dtype", "float32", "--property", "output_agrees_with_the_oracle"]
SETTINGS = Settings(examples=2, properties=("output_agrees_with_the_oracle",), dtypes=("float32",))
ROW = CheckRow(
    implementation="numpy-eager", framework="numpy", version="0", device="cpu", dtype="float32", spec="attention",
    property="output_agrees_with_the_oracle", clause="P4", outcome="violates", cases=41, vacuous=1, worst_ratio=7.0,
    seconds=1.5, case="", message="written earlier", replay="",
)  # fmt: skip


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def interrupted(tmp_path):
    """The folder of a run with another seed that was killed behind its one target."""
    run = Run(tmp_path / "run", RunRequest("check", resolve(["numpy-eager"]), SETTINGS, {}).arguments())
    run.append(CheckResult("numpy-eager", [ROW]))
    return run.folder


def test_a_journal_that_lies_there_is_not_taken_over(interrupted, capsys):
    before = files(interrupted)
    assert main([*CHECK, "--seed", "7", "--output", str(interrupted)]) == 2
    assert f"but should be a new folder: a run lies there, `--resume {interrupted}` goes on with it" in capsys.readouterr().err
    assert files(interrupted) == before


@pytest.mark.slow
def test_a_finished_run_is_not_written_over(tmp_path, capsys):
    assert main([*CHECK, "--output", str(tmp_path / "run")]) == 0
    before = files(tmp_path / "run")
    capsys.readouterr()
    assert main([*CHECK, "--output", str(tmp_path / "run")]) == 2
    assert main([*CHECK, "--resume", str(tmp_path / "run")]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 2
    assert "that one is complete" in message
    assert files(tmp_path / "run") == before


def test_files_that_no_run_wrote_stay(tmp_path, capsys):
    (tmp_path / "checks.parquet").write_text("mine")
    assert main([*CHECK, "--output", str(tmp_path)]) == 2
    assert "should be a new or empty folder: checks.parquet lies there" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["checks.parquet"]


@pytest.mark.slow
def test_an_empty_folder_is_taken(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    monkeypatch.setattr("sys.argv", ["/bin/attention-harness", "check", "numpy-eager", "--output", "two words"])
    assert main([*CHECK, "--output", str(tmp_path / "run")]) == 0
    metadata = json.loads((tmp_path / "run" / "run.json").read_text())
    assert metadata["command_line"] == "attention-harness check numpy-eager --output 'two words'"
    assert [target["name"] for target in metadata["arguments"]["targets"]] == ["numpy-eager"]


@pytest.mark.parametrize(
    "change",
    [
        ["--seed", "7"],
        ["--examples", "5"],
        ["numpy-online"],
        ["numpy-*"],
        ["--declare", "empty_rows=nan"],
        ["--dtype", "float16"],
    ],
    ids=" ".join,
)
def test_resuming_with_other_arguments_is_refused(change, interrupted, capsys):
    before = files(interrupted)
    assert main(["check", *change, "--resume", str(interrupted)]) == 2
    assert f"but should be as in {interrupted}" in capsys.readouterr().err
    assert files(interrupted) == before


@pytest.mark.parametrize("arguments", [["check"], CHECK, ["check", "--jobs", "1"]], ids=" ".join)
def test_resuming_takes_the_stored_targets_and_arguments(arguments, interrupted, capsys):
    assert main([*arguments, "--resume", str(interrupted), "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)["checks"]
    assert [row["message"] for row in rows] == ["written earlier"]


def test_a_run_of_another_command_is_not_gone_on_with(interrupted, capsys):
    assert main(["run", "--resume", str(interrupted)]) == 2
    assert "but should be the folder of a `run`: it is that of a `check`" in capsys.readouterr().err


def test_a_second_run_in_the_folder_is_refused_while_the_first_lasts(interrupted, capsys):
    with folders.locked(interrupted):
        assert main(["check", "--resume", str(interrupted)]) == 2
    assert "another run is writing to it" in capsys.readouterr().err
    folders.locked(interrupted).close()


def test_two_runs_of_one_second_have_two_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len({folders.fresh("check") for _ in range(5)}) == 5


def test_no_two_targets_share_a_file():
    names = ["a/b.py:f", "a_b.py:f", "a:b.py:f", "a.b.py:f", "a b.py:f", "a//b.py:f", "_a_b.py:f", "é", "è", ""]
    assert len({file_name(name) for name in names}) == len(names)
    assert (file_name("mine.py:attention"), file_name("numpy-eager")) == ("mine.py_attention", "numpy-eager")

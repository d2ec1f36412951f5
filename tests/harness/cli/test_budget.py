"""The option --budget: its forms, its default, how `run` and `bench` hand it on, and that the check does not know it."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module
from math import inf
from types import SimpleNamespace

import pytest

from attention_harness.cli import timing
from attention_harness.cli.app import main
from attention_harness.cli.options import seconds_of
from attention_harness.errors import UsageError
from attention_harness.runs.run import Run
from attention_harness.timing import Bench, Settings

running = import_module("attention_harness.cli.run")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("6m", 360), ("1h", 3600), ("90", 90), ("1.5m", 90), ("0.5", 0.5), (None, None)]
)
def test_forms(text, seconds):
    assert seconds_of(text) == seconds


BAD = ["", "0", "0s", "-6m", "m", "6 minutes", "nan", "inf", "infs", "6d", "1e999h", "six"]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(UsageError, match="but should be a time above 0, such as 90s, 6m, 1h, or seconds"):
        seconds_of(text)


@pytest.mark.parametrize("command", ["run", "bench"])
def test_a_bad_budget_is_one_line_and_leaves_no_folder(command, tmp_path, capsys):
    assert main([command, "numpy-eager", "--budget", "soon", "--output", str(tmp_path / "run")]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1) and err.startswith("attention-harness: budget=soon, but should be a time above 0")
    assert not (tmp_path / "run").exists()


@pytest.fixture
def asked(monkeypatch):
    """The seconds that the timing gets, and the settings that the check gets; nothing is checked, and nothing is timed."""
    given = SimpleNamespace(budgets=[], settings=[])

    def check_into(run, targets, settings, quiet):
        given.settings.append(settings)
        return [SimpleNamespace(description=True, wrong=False, rows=[]) for _ in targets]

    def bench(targets, run, workloads, settings, quiet, budget=None):
        given.budgets.append(budget)
        return []

    monkeypatch.setattr(running, "check_into", check_into)
    monkeypatch.setattr(running, "loadable", lambda targets, settings, **more: list(targets))
    monkeypatch.setattr(running, "status_of", lambda results: 0)
    monkeypatch.setattr(running, "write_report", lambda folder, show: None)
    monkeypatch.setattr(timing, "bench", bench)
    return given


@pytest.mark.parametrize(
    ("arguments", "budget"),
    [
        ([], 360.0), (["--seed", "3"], 360.0), (["--budget", "90s"], 90.0), (["numpy-eager"], None), (["--quick"], None), (["--deep"], None),
        (["--examples", "5"], None), (["numpy-eager", "--budget", "1h"], 3600.0), (["--quick", "--budget", "60"], 60.0),
    ],
    ids=str,
)  # fmt: skip
def test_a_run_of_the_built_ins_has_six_minutes(arguments, budget, asked, tmp_path):
    assert main(["run", *arguments, "--output", str(tmp_path / "run")]) == 0
    assert asked.budgets == [budget]
    assert json.loads((tmp_path / "run" / "run.json").read_text())["arguments"]["budget"] == budget


def test_a_budget_changes_nothing_else_about_the_check(asked, tmp_path):
    for number, budget in enumerate(("1s", "1h")):
        assert main(["run", "numpy-eager", "--budget", budget, "--output", str(tmp_path / str(number))]) == 0
    assert asked.settings[0] == replace(asked.settings[1], go_on=0.0)


def test_a_plain_run_judges_the_same_cases_on_every_machine(asked, tmp_path):
    assert main(["run", "--output", str(tmp_path / "run")]) == 0
    assert (asked.budgets, [settings.go_on for settings in asked.settings]) == ([360.0], [0.0])


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([], 3),
        (["--budget", "90s"], 3),
        (["--seed", "3"], 3),
        (["--budget", "1h"], 1),
        (["numpy-eager"], 1),
        (["*"], 1),
        (["--deep"], 1),
    ],
    ids=str,
)
def test_a_run_of_the_built_ins_asks_each_a_part(arguments, parts, asked, tmp_path):
    assert main(["run", *arguments, "--output", str(tmp_path / "run")]) == 0
    assert [settings.parts for settings in asked.settings] == [parts]


@pytest.mark.parametrize(("budget", "seconds"), [("4m", 0.0), ("6m", 60.0), ("1h", 3300.0)])
def test_a_long_budget_lets_the_check_go_on_with_further_seeds(budget, seconds, asked, tmp_path):
    assert main(["run", "numpy-eager", "--budget", budget, "--output", str(tmp_path / "run")]) == 0
    assert [settings.go_on for settings in asked.settings] == [seconds]


def interrupted(folder, *arguments):
    """The folder of a run that was killed before it was complete."""
    assert main(["run", *arguments, "--output", str(folder)]) == 0
    metadata = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(metadata | {"complete": False}))
    return str(folder)


@pytest.mark.parametrize(("arguments", "budget"), [([], 360.0), (["--budget", "90s"], 90.0), (["--deep"], None)], ids=str)
def test_a_resumed_run_keeps_its_budget(arguments, budget, asked, tmp_path):
    folder = interrupted(tmp_path / "run", *arguments)
    assert main(["run", "--resume", folder]) == 0
    assert asked.budgets == [budget, budget]


def test_a_resumed_run_may_repeat_its_budget_and_have_no_other(asked, tmp_path, capsys):
    folder = interrupted(tmp_path / "run", "--budget", "90s")
    assert main(["run", "--resume", folder, "--budget", "1h"]) == 2
    assert "budget=3600.0, but should be as in" in capsys.readouterr().err
    assert main(["run", "--resume", folder, "--budget", "1.5m"]) == 0


def test_a_run_from_before_there_were_budgets_has_none(asked, tmp_path):
    folder = interrupted(tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    metadata = json.loads(path.read_text())
    del metadata["arguments"]["budget"]
    path.write_text(json.dumps(metadata))
    assert main(["run", "--resume", folder]) == 0
    assert asked.budgets[-1] is None


@pytest.mark.parametrize(
    ("budget", "began", "left"), [(100.0, 0.0, 95.0), (100.0, -60.0, 35.0), (100.0, -500.0, 25.0), (None, 0.0, None)]
)
def test_the_timing_has_what_the_checks_and_the_report_leave(budget, began, left, tmp_path, monkeypatch):
    given = []

    def bench(targets, workloads, settings, progress, budget):
        given.append(budget.seconds)
        return Bench([], {}, {}, budget={"planned": left, "used": 1.0, "left_out": [], "ended": []})

    monkeypatch.setattr(timing.timing, "bench", bench)
    run = Run(tmp_path / "run", {})
    run.began += began
    assert timing.bench([], run, [], Settings(), quiet=True, budget=budget) == []
    assert given == [inf] if left is None else left - 1 < given[0] <= left
    record = json.loads((run.folder / "run.json").read_text())["budget"]
    assert (record["seconds"], record["planned"]) == (budget, left) and -began <= record["before"] < 1 - began


def test_beside_a_stored_run_no_comparison_ends_early(tmp_path, monkeypatch):
    bench, early = import_module("attention_harness.cli.bench"), []
    monkeypatch.setattr(bench, "loadable", lambda targets, settings, **more: list(targets))
    monkeypatch.setattr(bench, "write_report", lambda folder, show: None)
    monkeypatch.setattr("attention_harness.cli.comparison.load", lambda folder: folder)
    monkeypatch.setattr("attention_harness.cli.comparison.against", lambda *given, quiet: {})
    monkeypatch.setattr(timing, "bench", lambda targets, run, workloads, settings, **more: early.append(settings.early) or [])
    for number, more in enumerate(([], ["--baseline-run", str(tmp_path)])):
        main(["bench", "numpy-eager", *more, "--output", str(tmp_path / str(number))])
    assert early == [True, False]


@pytest.mark.slow
def test_a_spent_budget_leaves_out_all_and_says_so(tmp_path, capsys):
    assert (
        main(["bench", "numpy-eager", "--workload", "gpt2-small-128", "--budget", "1e-6", "--output", str(tmp_path / "run")]) == 3
    )
    words = "left out all of gpt2-small-128; a longer"
    assert words in capsys.readouterr().out
    assert words in (tmp_path / "run" / "report.html").read_text()

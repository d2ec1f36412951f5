"""`compare` and `bench --baseline-run` from the command line; no clock is involved."""

from __future__ import annotations

import json
import math

import pytest

from attention_harness import timing
from attention_harness.cli.app import main
from attention_harness.cli.comparison import twice


@pytest.fixture
def runs(stored, checked, timed):
    """Run A, and later runs."""
    good = [checked("x", "p", "agrees"), checked("x", "q", "agrees")]
    times = [timed("x", 1.0)]
    elsewhere = {"environment": {"cpu": "another"}}
    return {
        "a": stored("a", checks=good, timings=times),
        "same": stored("same", checks=good, timings=times),
        "broke": stored("broke", checks=[checked("x", "p", "violates"), checked("x", "q", "agrees")], timings=times),
        "slower": stored("slower", checks=good, timings=[timed("x", 1.3)]),
        "faster": stored("faster", checks=good, timings=[timed("x", 0.7)]),
        "invalid": stored("invalid", checks=good, timings=[timed("x", math.nan, verdict="INVALID")]),
        "elsewhere": stored("elsewhere", checks=good, timings=[timed("x", 1.3)], **elsewhere),
        "times elsewhere": stored("times", timings=[timed("x", 1.3)], **elsewhere),
        "other": stored("other", checks=[checked("y", "p", "violates")], timings=[timed("y", 1.0)]),
        "empty": stored("empty"),
    }


STATUSES = {
    "same": 0, "faster": 0, "elsewhere": 0, "broke": 1, "slower": 1, "invalid": 1, "other": 3, "empty": 3, "times elsewhere": 3,
}  # fmt: skip


@pytest.mark.parametrize(("name", "status"), STATUSES.items(), ids=list(STATUSES))
def test_the_status_says_what_changed(runs, capsys, name, status):
    assert main(["compare", str(runs["a"]), str(runs[name])]) == status
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines()[-1] == f"comparison: {runs[name] / 'compare.html'}"
    assert (runs[name] / "compare.md").exists() and not (runs["a"] / "compare.md").exists()


def test_output_is_another_folder(runs, tmp_path, capsys):
    assert main(["compare", str(runs["a"]), str(runs["same"]), "--output", str(tmp_path / "new" / "folder")]) == 0
    assert {"compare.html", "compare.md"} <= {path.name for path in (tmp_path / "new" / "folder").iterdir()}
    assert not (runs["same"] / "compare.html").exists()


def test_json_is_one_document(runs, capsys):
    assert main(["compare", str(runs["a"]), str(runs["slower"]), "--json"]) == 1
    out, _ = capsys.readouterr()
    document = json.loads(out)
    assert out.count("\n") == 1
    assert document["verdict"].startswith("No outcome changed; 1 of 1 timing became slower")
    assert [row["verdict"] for row in document["timings"]] == ["SLOWER"]


@pytest.mark.parametrize("broken", ["nowhere", "file", "garbage", "table"])
@pytest.mark.parametrize("place", [0, 1])
def test_what_is_no_run_is_one_line(runs, tmp_path, capsys, broken, place):
    (tmp_path / "file").write_text("")
    (tmp_path / "garbage").mkdir()
    (tmp_path / "garbage" / "run.json").write_text("{")
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "run.json").write_text("{}")
    (tmp_path / "table" / "timings.parquet").write_bytes(b"PAR1")
    folders = [str(runs["a"]), str(runs["a"])]
    folders[place] = str(tmp_path / broken)
    assert main(["compare", *folders]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert broken in err and "but should" in err
    assert not (runs["a"] / "compare.html").exists()


def test_an_output_that_cannot_be_written_to_is_one_line(runs, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["compare", str(runs["a"]), str(runs["same"]), "--output", str(tmp_path / "file" / "out")]) == 2
    assert "but should be a folder that can be written to" in capsys.readouterr().err


class Timing:
    """Stands in for the timing: the first call finds `first`, those that follow find `again`; both are implementation -> ratio."""

    def __init__(self, timed, first, again, noise):
        self.timed, self.ratios, self.noise, self.calls = timed, [first, again], noise, []

    def __call__(self, targets, workloads, settings, progress, budget=None):
        names, ratios = {target.name for target in targets}, self.ratios[bool(self.calls)]
        self.calls.append((names, [workload.name for workload in workloads], settings))
        rows = [
            self.timed(name, ratios[name], workload=workload.name, framework="numpy")
            for workload in workloads
            for name in sorted(names & set(ratios))
        ]
        return timing.Bench(rows, self.noise, {})


@pytest.fixture
def benched(stored, timed, monkeypatch, tmp_path, capsys):
    """`benched(first, again)`: bench beside a run in which both took the baseline's time; status, calls, run.json, output."""

    def run(first, again, environment=None, noise=None):
        names, workloads = ["numpy-online", "numpy-tensor-core"], ["gpt2-small-128", "bert-base-128"]
        probe = stored("probe")
        machine = json.loads((probe / "run.json").read_text())["environment"]
        monkeypatch.setattr("attention_harness.runs.run.environment", lambda: machine)
        rows = [timed(name, 1.0, workload=workload) for name in names for workload in workloads]
        old = stored("old", timings=rows, environment=environment or machine)
        stand_in = Timing(timed, first, again, noise or {"floor": 0.05})
        monkeypatch.setattr(timing, "bench", stand_in)
        monkeypatch.setattr(timing, "record", lambda bench, folder: None)
        options = [part for workload in workloads for part in ("--workload", workload)]
        new = tmp_path / "new"
        status = main(["bench", "numpy-eager", *names, *options, "--output", str(new), "--baseline-run", str(old)])
        return status, stand_in.calls, json.loads((new / "run.json").read_text()), capsys.readouterr().out

    return run


SLOW = {"numpy-online": 1.3, "numpy-tensor-core": 1.0}
LEVEL = {"numpy-online": 1.0, "numpy-tensor-core": 1.0}


def test_a_regression_that_comes_twice_fails(benched):
    status, calls, record, out = benched(SLOW, {**SLOW, "numpy-online": 1.4})
    assert status == 1
    assert [(names, workloads) for names, workloads, _ in calls[1:]] == [
        ({"numpy-eager", "numpy-online"}, ["gpt2-small-128"]),
        ({"numpy-eager", "numpy-online"}, ["bert-base-128"]),
    ]
    regressions = record["compared"]["regressions"]
    assert {(row["implementation"], row["workload"]) for row in regressions} == {
        ("numpy-online", "gpt2-small-128"),
        ("numpy-online", "bert-base-128"),
    }
    assert [round(row["again"], 6) for row in regressions] == [1.4, 1.4]
    assert "numpy-online takes 1.30 times as long" in out and "timed again: 1.4 times" in out
    assert record["complete"]


def test_what_is_timed_again_has_double_rounds_in_fresh_processes(benched):
    _, calls, _, _ = benched(SLOW, SLOW)
    first, again = calls[0][2], calls[1][2]
    assert again == twice(first)
    assert (again.processes, again.seconds, again.baseline) == (2 * first.processes, first.seconds, first.baseline)
    assert again.seed != first.seed


def test_a_regression_that_does_not_come_again_is_none(benched):
    status, calls, record, out = benched(SLOW, LEVEL)
    assert (status, len(calls), record["compared"]["regressions"]) == (0, 3, [])
    assert "2 that seemed slower did not when timed again" in out


def test_without_a_regression_nothing_is_timed_again(benched):
    status, calls, record, out = benched(LEVEL, SLOW)
    assert (status, len(calls), record["compared"]["regressions"]) == (0, 1, [])
    assert "none of 4 timings became slower" in out


def test_what_cannot_be_decided_is_no_failure(benched):
    status, calls, _, out = benched(SLOW, SLOW, noise={"floor": 0.5})
    assert (status, len(calls)) == (0, 1)
    assert "2 undecided" in out or "4 undecided" in out


def test_another_machine_is_said_and_not_judged(benched):
    status, calls, record, out = benched(SLOW, SLOW, environment={"cpu": "another"})
    assert (status, len(calls), record["compared"]["regressions"]) == (0, 1, [])
    assert "timings are not judged, because the runs differ in cpu (another; AMD EPYC)" in out


def test_a_baseline_run_that_is_none_leaves_no_folder(tmp_path, capsys):
    assert main(["bench", "numpy-eager", "--output", str(tmp_path / "new"), "--baseline-run", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "new").exists()

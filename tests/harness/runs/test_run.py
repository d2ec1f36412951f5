"""A run is a folder: finished results are kept, and a killed run goes on where it was."""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO

import pytest

from attention_harness.cli.app import main
from attention_harness.conformance.check import CheckResult, check_together
from attention_harness.conformance.check import check as check_one
from attention_harness.conformance.plan import Listener
from attention_harness.conformance.records import CheckRow
from attention_harness.conformance.settings import Settings
from attention_harness.errors import UsageError
from attention_harness.registry.loading import load
from attention_harness.registry.targets import Target, resolve
from attention_harness.runs import executors
from attention_harness.runs.folder import RunRequest
from attention_harness.runs.journal import path_of
from attention_harness.runs.run import Progress, Run, check, plan_of, tables
from attention_specs.stopwatch import PARTS

ROW = CheckRow(
    implementation="numpy-eager", framework="numpy", version="0", device="cpu", dtype="float32", spec="attention",
    property="output_agrees_with_the_oracle", clause="P4", outcome="agrees", cases=41, vacuous=1, worst_ratio=0.25,
    seconds=1.5, case="", message="written before the run was killed", replay="",
)  # fmt: skip
SETTINGS = Settings(examples=2, properties=("output_agrees_with_the_oracle",), dtypes=("float32",), jobs=1)


def finished_checked():
    return CheckResult(
        "numpy-eager", [ROW], load("numpy-eager", "attention_implementations.numpy.eager:")[1], worked_example=[[0.5]]
    )


@pytest.fixture
def killed(tmp_path):
    """The folder of a run that was killed while it wrote the second implementation down."""
    run = Run(tmp_path / "run", RunRequest("check", resolve(["numpy-eager"]), SETTINGS, {}).arguments())
    run.append(finished_checked())
    whole = path_of(run.folder).read_text()
    with path_of(run.folder).open("a") as file:
        file.write(whole[: len(whole) // 2].replace("numpy-eager", "numpy-online"))
    return run.folder


def test_a_line_that_was_cut_off_is_left_out(killed):
    assert Run(killed, {}).finished() == {"numpy-eager": finished_checked()}


def test_what_was_finished_is_not_run_again_and_the_rest_is(killed):
    results = check(resolve(["numpy-eager", "numpy-online"]), SETTINGS, Run(killed, {}))
    assert results[0] == finished_checked()
    assert results[1].name == "numpy-online"
    assert {row.outcome for row in results[1].rows} == {"agrees"}


def test_a_single_implementation_is_checked_without_a_pool(tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "map_in_pool", lambda *given: pytest.fail("a pool was started"))
    steps = []
    run = Run(tmp_path / "run", {})
    (result,) = check(resolve(["numpy-eager"]), SETTINGS, run, Progress(step=steps.append))
    assert {row.outcome for row in result.rows} == {"agrees"}
    assert set(steps) == {"numpy-eager"}
    assert [*run.finished()] == ["numpy-eager"]


def test_implementations_of_a_framework_go_side_by_side_and_layers_last():
    shares = [[target.name for target in share] for share in executors.shares_of(resolve([]), jobs=2)]
    of_numpy = [share for share in shares if share[0].startswith("numpy-")]
    assert len(of_numpy) >= 2 and of_numpy[-1][-1] == "numpy-multi-head"
    assert all(len({name.partition("-")[0] for name in share}) == 1 and len(share) <= executors.SIDE_BY_SIDE for share in shares)
    assert sorted(name for share in shares for name in share) == sorted(target.name for target in resolve([]))


def test_each_job_has_a_share():
    files = [Target(f"mine.py:f{number}", f"mine.py:f{number}", registered=False) for number in range(3)]
    assert [len(share) for share in executors.shares_of(files, jobs=2)] == [2, 1]
    assert [len(share) for share in executors.shares_of(files, jobs=3)] == [1, 1, 1]
    assert executors.shares_of([], jobs=2) == []


def test_side_by_side_gives_the_rows_of_each_alone(tmp_path):
    targets = resolve(["numpy-eager", "numpy-online", "numpy-multi-head"])
    plan = plan_of(replace(SETTINGS, examples=10), tmp_path)
    together = check_together(targets, plan, lambda name: Listener())
    for target, result in zip(targets, together, strict=True):
        alone = check_one(target, plan)
        assert [replace(row, seconds=0) for row in result.rows] == [replace(row, seconds=0) for row in alone.rows]
        assert (result.covered, result.asked, result.answered) == (alone.covered, alone.asked, alone.answered)


def test_each_check_books_its_seconds_and_those_that_go_beside_share_the_oracle(tmp_path):
    targets = resolve(["numpy-eager", "numpy-online"])
    results = check_together(targets, plan_of(replace(SETTINGS, examples=10), tmp_path), lambda name: Listener())
    first, second = (result.seconds for result in results)
    assert set(first) == set(PARTS)
    assert min(first[part] for part in ("start", "drawing", "inputs", "oracle", "bounds", "transfer", "calls", "judging")) > 0
    assert second["calls"] > 0
    assert (second["drawing"], second["inputs"]) == (0, 0)
    run = Run(tmp_path / "run", {})
    rows = tables(results, run)["profile"]
    assert {(row["implementation"], row["part"]): row["seconds"] for row in rows} == {
        (result.name, part): seconds for result in results for part, seconds in result.seconds.items()
    }


def test_one_that_cannot_be_loaded_and_one_that_is_wrong_keep_nothing_from_the_others(tmp_path):
    (tmp_path / "two.py").write_text(
        "import attention_implementations.numpy.eager as e\ndef wrong(q, k, v):\n    return e.attention(q, k, v) + 1\n"
    )
    place = tmp_path / "two.py"
    targets = [
        *(Target(f"{place}:{name}", f"{place}:{name}", registered=False) for name in ("absent", "wrong")),
        *resolve(["numpy-online"]),
    ]
    absent, wrong, right = check_together(targets, plan_of(replace(SETTINGS, examples=3), tmp_path), lambda name: Listener())
    assert absent.unloadable and absent.description is None
    assert wrong.wrong
    assert right.right


def test_nothing_is_lost_when_a_resumed_run_is_killed_again(killed):
    run = Run(killed, {})
    run.append(replace(finished_checked(), name="numpy-online"))
    run.append(replace(finished_checked(), name="torch-eager"))
    assert set(Run(killed, {}).finished()) == {"numpy-eager", "numpy-online", "torch-eager"}


@pytest.mark.slow
def test_resume_on_the_command_line_counts_nothing_twice(killed):
    out = StringIO()
    with redirect_stdout(out):
        status = main(["check", "numpy-eager", "--resume", str(killed), "--json"])
    assert status == 0
    rows = json.loads(out.getvalue())["checks"]
    assert [(row["cases"], row["message"]) for row in rows] == [(41, "written before the run was killed")]
    metadata = json.loads((killed / "run.json").read_text())
    assert metadata["complete"]
    assert not (killed / "finished.jsonl").exists()


@pytest.mark.slow
def test_coverage_counts_cases_as_they_are_asked(tmp_path):
    (tmp_path / "scaled.py").write_text(
        "from attention_implementations.numpy.eager import attention as whole\n\n\n"
        "def attention(q, k, v, *, scale=None):\n    return whole(q, k, v, scale=scale)\n"
    )
    settings = replace(SETTINGS, examples=60)
    rows = {}
    for name in ("numpy-eager", f"{tmp_path / 'scaled.py'}:attention"):
        run = Run(tmp_path / f"run {len(rows)}", {})
        coverage = tables(check(resolve([name]), settings, run), run)["coverage"]
        rows[name] = {(row["region"], row["value"]): row["cases"] for row in coverage}
    whole, scaled = rows.values()
    for option in ("softcap", "window", "is_causal", "bias", "mask"):
        assert whole["option", option] > scaled["option", option] == 0
    assert whole["option", "scale"] >= scaled["option", "scale"] > 0
    assert whole["dtype", "float16, attention"] == scaled["dtype", "float16, attention"] == 0


def test_run_json_says_what_the_run_was_asked_and_on_what(tmp_path):
    run = Run(tmp_path / "deep" / "folder", {"examples": 3})
    metadata = json.loads((run.folder / "run.json").read_text())
    assert (metadata["schema"], metadata["arguments"], metadata["complete"]) == (1, {"examples": 3}, False)
    assert {"python", "cpu", "packages", "variables"} <= set(metadata["environment"])
    run.save(complete=True)
    assert json.loads((run.folder / "run.json").read_text())["complete"]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"output=.*, but should be a folder that can be written to: Not a directory"):
        Run(tmp_path / "file" / "run", {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"properties": ("no_such_property",)}, "property=no_such_property, but should be an id, a name or a pattern"),
        ({"declared": {"colour": "red"}}, "but should be one of"),
        ({"declared": {"lse_base": "10"}}, "but should be one of"),
    ],
)
def test_settings_that_mean_nothing_are_refused(change, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        check(resolve(["numpy-eager"]), replace(SETTINGS, **change), Run(tmp_path, {}))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_rows(tmp_path):
    rows = []
    for name in ("one", "two"):
        (result,) = check(resolve(["numpy-online"]), SETTINGS, Run(tmp_path / name, {}))
        rows.append([(row.dtype, row.property, row.outcome, row.cases, row.worst_ratio) for row in result.rows])
    assert rows[0] == rows[1]

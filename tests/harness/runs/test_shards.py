"""Shards of one check become the run that it would have been; shards of different checks are refused in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from attention_harness.cli.app import main
from attention_harness.conformance.steps import step_records

QUICK = ["--examples", "6", "--dtype", "float32", "--jobs", "1"]
PROPERTIES = ["output_agrees_with_the_oracle", "errors_have_no_preferred_sign", "a_batch_entry_is_the_same_alone"]
CHECK = [*QUICK, *(word for name in PROPERTIES for word in ("--property", name))]
TABLES = ("checks", "precision", "agreement", "coverage")


def shards_of(folder, targets, count, *options):
    """The folders of all shards of a check."""
    places = [folder / f"part-{number}" for number in range(1, count + 1)]
    for number, place in enumerate(places, 1):
        assert main(["check", *targets, *options, "--shard", f"{number}/{count}", "--output", str(place)]) == 0
    return [str(place) for place in places]


def rows_of(folder):
    """The tables of a run, without times and its own place."""
    frames = {name: pd.read_parquet(folder / f"{name}.parquet").drop(columns="seconds", errors="ignore") for name in TABLES}
    return {name: str(frame.to_dict("records")).replace(str(folder), "") for name, frame in frames.items()}


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Two complete shards."""
    return shards_of(tmp_path_factory.mktemp("shards"), ["numpy-eager"], 2, *CHECK)


@pytest.fixture
def copies(parts, tmp_path):
    """Shards that a test may change."""
    return [str(shutil.copytree(part, tmp_path / f"copy-{number}")) for number, part in enumerate(parts, 1)]


def changed(folder, **entries):
    """The shard, whose run.json says something else; `environment__cpu` is an entry of an entry."""
    path = Path(folder, "run.json")
    document = json.loads(path.read_text())
    for name, value in entries.items():
        *outer, last = name.split("__")
        place = document
        for one in outer:
            place = place[one]
        place[last] = value
    path.write_text(json.dumps(document))


def refused(capsys, *arguments):
    """The line of a command that is refused."""
    assert main(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err.removeprefix("attention-harness: ").strip()


def test_the_rows_of_the_shards_are_those_of_one_run(parts, tmp_path, capsys):
    assert main(["check", "numpy-eager", *CHECK, "--output", str(tmp_path / "one")]) == 0
    assert main(["merge", *reversed(parts), "--output", str(tmp_path / "merged")]) == 0
    assert rows_of(tmp_path / "merged") == rows_of(tmp_path / "one")
    merged, one = (json.loads((tmp_path / name / "run.json").read_text()) for name in ("merged", "one"))
    assert [entry["shard"] for entry in merged["shards"]] == ["1/2", "2/2"]
    assert {name: merged[name] for name in ("seed", "implementations", "mutation_score", "worked_example")} == {
        name: one[name] for name in ("seed", "implementations", "mutation_score", "worked_example")
    }
    assert not (tmp_path / "merged" / step_records.FOLDER).exists()
    assert (tmp_path / "merged" / "report.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["3", "11"])
@pytest.mark.parametrize(
    "targets", [["numpy-eager", "numpy-online"], ["numpy-paged"], ["numpy-multi-head"], ["wrong.py:attention"]]
)
def test_so_are_those_of_other_seeds_and_implementations(targets, seed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.py").write_text(
        "import attention_implementations.numpy.eager as e\n"
        "def attention(q, k, v, *, is_causal=False):\n    return e.attention(q, k, v, is_causal=is_causal and k.shape[2] != 4)\n"
    )
    options = [*CHECK, "--seed", seed]
    status = main(["check", *targets, *options, "--output", str(tmp_path / "one")])
    folders = shards_of(tmp_path, targets, 3, *options)
    assert main(["merge", *folders, "--output", str(tmp_path / "merged")]) == status
    assert status == (targets[0] == "wrong.py:attention")
    assert rows_of(tmp_path / "merged") == rows_of(tmp_path / "one")


def test_a_shard_is_no_run_that_is_judged(parts, capsys):
    names = {path.name for path in Path(parts[0]).iterdir()}
    assert {"run.json", "finished.jsonl", "steps"} <= names
    assert not any(name.endswith((".parquet", ".html")) for name in names)


@pytest.mark.slow
def test_an_implementation_that_no_shard_could_load_has_its_row(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        status = main(["check", "numpy-eager", "keras-numpy", *CHECK, "--shard", f"{number}/2", "--output", f"part-{number}"])
        assert status == 0
    assert main(["merge", "part-1", "part-2", "--output", "merged"]) == 0
    assert main(["check", "numpy-eager", "keras-numpy", *CHECK, "--output", "one"]) == 0
    assert rows_of(tmp_path / "merged") == rows_of(tmp_path / "one")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"arguments__seed": 8}, "seed=8 in {second}, but should be as in {first}, 0"),
        ({"arguments__examples": 7}, "examples=7 in {second}, but should be as in {first}, 6"),
        ({"arguments__dtypes": ["float16"]}, 'dtypes=["float16"] in {second}, but should be as in {first}, ["float32"]'),
        ({"environment__cpu": "another"}, 'cpu="another" in {second}, but should be as in {first}, '),
        ({"environment__gpu": "another, 1 MiB, 1.0"}, 'gpu="another, 1 MiB, 1.0" in {second}, but should be as in {first}, null'),
        ({"environment__commit": "0" * 40}, f'commit="{"0" * 40}" in {{second}}, but should be as in {{first}}, '),
        (
            {"environment__packages__numpy": "0.1"},
            'packages={{"numpy": "0.1"}} in {second}, but should be as in {first}, {{"numpy": ',
        ),
        ({"environment__variables": {"OMP_NUM_THREADS": "99"}}, "variables="),
        ({"arguments__shard": "1/2"}, "shard=1/2, but should be given once: {first} and {second}"),
        ({"arguments__shard": "2/3"}, "shard=2/3 in {second}, but should be one of 2, as in {first}"),
        ({"arguments__shard": ""}, "run={second}, but should be the folder of a `check --shard`: it is that of a whole run"),
        (
            {"complete": False},
            "run={second}, but should be complete: `attention-harness check --resume {second}` goes on with it",
        ),
    ],
)
def test_shards_of_different_checks_are_refused(change, line, copies, tmp_path, capsys):
    changed(copies[1], **change)
    refusal = refused(capsys, "merge", *copies, "--output", str(tmp_path / "merged"))
    assert refusal.startswith(line.format(first=copies[0], second=copies[1]))
    assert not (tmp_path / "merged").exists()


def test_a_missing_shard_is_named(copies, capsys):
    assert refused(capsys, "merge", copies[0]) == "shards=1/2, but should be all: 2/2 missing"


def test_shards_of_another_machine_are_refused(copies, tmp_path, capsys):
    for copy in copies:
        changed(copy, environment__cpu="another")
    refusal = refused(capsys, "merge", *copies, "--output", str(tmp_path / "merged"))
    assert " on this machine, but should be as in " in refusal and refusal.startswith('cpu="')


def test_another_text_of_a_function_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = "import attention_implementations.numpy.eager as e\ndef f(q, k, v):\n    return e.attention(q, k, v)\n"
    for number in (1, 2):
        (tmp_path / "mine.py").write_text(f"{text}# {number}\n")
        assert main(["check", "mine.py:f", *CHECK, "--shard", f"{number}/2", "--output", f"part-{number}"]) == 0
    capsys.readouterr()
    status, err = main(["merge", "part-1", "part-2", "--output", "merged"]), capsys.readouterr().err
    assert status == 2
    assert 'mine.py:f={"source": "' in err


def test_a_damaged_or_absent_folder_is_refused(copies, tmp_path, capsys):
    assert "but should be the folder of a run, with run.json in it" in refused(capsys, "merge", str(tmp_path / "none"))
    (tmp_path / "copy-2" / "run.json").write_text("{")
    assert "but should be the folder of a run with its arguments in run.json" in refused(capsys, "merge", *copies)


def test_a_case_of_two_shards_is_refused(copies, tmp_path, capsys):
    first, second = (step_records.path_of(tmp_path / f"copy-{number}", "numpy-eager") for number in (1, 2))
    line = next(line for line in first.read_text().splitlines() if '"suite ' in line)
    with second.open("a") as file:
        file.write(line + "\n")
    refusal = refused(capsys, "merge", *copies, "--output", str(tmp_path / "merged"))
    assert "but should have cases of its own: suite " in refusal


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--shard", "3/2"], "shard=3/2, but should be a part and the number of parts, such as 3/16"),
        (["--shard", "1/2", "--json"], "json with shard=1/2, but should be left out: a shard is judged by `merge`"),
        (["--shard", "1/2", "--budget", "3m"], "budget with shard=1/2, but should be left out"),
        (["--shard", "1/2", "--for", "3m"], "for with shard=1/2, but should be left out"),
        (["--shard", "1/2", "--hide-cases"], "hide-cases with shard=1/2, but should be left out"),
        (["--shard", "1/2", "--seed", "secret"], "seed with shard=1/2, but should be left out"),
    ],
)
def test_options_of_a_whole_check_are_refused(options, line, capsys):
    assert refused(capsys, "check", "numpy-eager", *options).startswith(line)


def test_a_shard_that_was_interrupted_goes_on(copies, tmp_path, capsys):
    path = step_records.path_of(tmp_path / "copy-2", "numpy-eager")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: len(lines) // 2]))
    changed(copies[1], complete=False)
    (tmp_path / "copy-2" / "finished.jsonl").unlink()
    assert main(["check", "--resume", copies[1]]) == 0
    assert sorted(_steps(path)) == sorted(_steps(step_records.path_of(tmp_path / "copy-2", "numpy-eager")))
    assert len(_steps(path)) == len([line for line in lines if line.strip()]) - 1
    assert main(["merge", *copies, "--output", str(tmp_path / "merged")]) == 0


def _steps(path):
    return list(step_records.read(path)[1])

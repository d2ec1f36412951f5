"""`--seed secret`: nobody knows the cases beforehand, and everybody can draw them again afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from attention_harness.cli.app import main
from attention_harness.cli.options import SecretSeed, seed_of
from attention_harness.errors import UsageError
from attention_harness.runs.run import Run

CHECK = ("check", "numpy-eager", "--examples", "3", "--dtype", "float32", "--property", "P4", "--jobs", "1")


def seed_in(folder):
    written = json.loads((Path(folder) / "run.json").read_text())
    return written["arguments"]["seed"], written.get("seed")


def test_a_secret_seed_is_written_when_the_run_ends(tmp_path, monkeypatch, capfd):
    seen, save = [], Run.save

    def watched(run, **metadata):
        save(run, **metadata)
        seen.append((*seed_in(run.folder), run.metadata["complete"]))

    monkeypatch.setattr(Run, "save", watched)
    assert main([*CHECK, "--seed", "secret", "--output", str(tmp_path / "run")]) == 0
    *before, (seed, again, complete) = seen
    assert {one[:2] for one in before} == {(None, None)} and len(before) >= 2
    assert complete and seed == again > 0
    rows = (tmp_path / "run" / "checks.parquet").read_bytes()
    assert main([*CHECK, "--seed", str(seed), "--output", str(tmp_path / "again")]) == 0
    assert seed_in(tmp_path / "again") == (seed, seed)
    assert rows[:4] == b"PAR1"


def test_a_run_without_its_seed_cannot_go_on(tmp_path, capfd):
    Run(tmp_path / "run", {"command": "check", "targets": [], "seed": 7}, withheld={"seed": 7})
    assert main(["check", "--resume", str(tmp_path / "run")]) == 2
    assert "should be a run whose seed is known" in capfd.readouterr().err


def test_every_secret_seed_is_another():
    assert isinstance(seed_of("secret"), SecretSeed) and seed_of("secret") != seed_of("secret")
    assert seed_of("7") == 7 and not isinstance(seed_of("7"), SecretSeed)
    with pytest.raises(UsageError, match="seed=x, but should be a number, or secret"):
        seed_of("x")

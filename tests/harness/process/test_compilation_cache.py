"""Compiled programs between runs: kept, bounded, and none that is not whole; no trouble with the cache is an outcome."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from attention_harness.cli.app import main
from attention_harness.process import compilation_cache
from attention_harness.process.compilation_cache import at_start, close_cache, open_cache, variables
from attention_harness.timing.process.child import environment

OFF = {"state": "off", "entries": 0}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The place of the cache, which no test shares with another."""
    monkeypatch.setenv(compilation_cache.PLACE, str(tmp_path / "cache"))
    for name in ("JAX_COMPILATION_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path / "cache"
    close_cache()


def run_writes(**files):
    """A run whose workers write these files, as JAX would; returns the state at its beginning."""
    open_cache()
    state = at_start()
    for name, text in files.items():
        folder = jax_folder()
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    close_cache()
    return state


def jax_folder():
    return compilation_cache.Path(variables()["JAX_COMPILATION_CACHE_DIR"])


def names():
    """The names of the programs with which a run would begin."""
    open_cache()
    there = sorted(path.name for path in jax_folder().glob("*"))
    close_cache()
    return there


def test_a_run_says_whether_it_began_cold_or_warm(place):
    assert run_writes(a="1", b="2") == {"state": "cold", "entries": 0}
    assert run_writes(c="3") == {"state": "warm", "entries": 2}
    assert names() == ["a", "b", "c"]


def test_workers_of_a_run_alone_get_the_folder(place):
    assert variables() == {}
    open_cache()
    given = variables()
    assert given["JAX_COMPILATION_CACHE_DIR"].startswith(str(place))
    assert given["TORCHINDUCTOR_CACHE_DIR"].startswith(str(place))
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ
    close_cache()
    assert variables() == {}


def test_a_folder_that_the_user_has_set_stays(place, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "mine")
    open_cache()
    assert {name.partition("_")[0] for name in variables()} == {"TORCHINDUCTOR"}


@pytest.mark.parametrize("text", ["", "on", "one", "one and more"])
def test_a_damaged_program_is_deleted(place, text):
    run_writes(a="one", b="two")
    (file,) = place.rglob("a")
    file.write_text(text)
    assert names() == (["a", "b"] if text == "one" else ["b"])


def test_a_program_that_is_damaged_during_a_run_is_deleted_too(place):
    run_writes(a="one")
    run_writes(a="on", b="two")
    assert names() == ["b"]


def test_files_of_others_stay(place):
    others = place / "compiled" / "notes" / "mine.txt"
    others.parent.mkdir(parents=True)
    others.write_text("mine")
    run_writes(a="one")
    assert names() == ["a"]
    assert others.read_text() == "mine"


def test_a_program_of_a_run_that_was_killed_is_deleted(place):
    run_writes(a="one")
    (place.rglob("a").__next__().parent / "half").write_text("tw")
    assert names() == ["a"]


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"a": 1}', "\udc80"])
def test_without_readable_digests_a_run_begins_cold(place, text):
    run_writes(a="one")
    (place / "compiled" / compilation_cache.SEALS).write_bytes(text.encode(errors="surrogatepass"))
    assert run_writes() == {"state": "cold", "entries": 0}


def test_the_programs_written_last_stay(place, monkeypatch):
    run_writes(a="x" * 40, b="x" * 40, c="x" * 40)
    for age, name in enumerate("bca"):
        (file,) = place.rglob(name)
        os.utime(file, (1e9 - age, 1e9 - age))
    monkeypatch.setattr(compilation_cache, "MOST_BYTES", 90)
    assert names() == ["b", "c"]


HOLD = """
from attention_harness.process.compilation_cache import at_start, close_cache, open_cache
open_cache(); print(at_start()["state"], flush=True); input(); close_cache()
"""


@pytest.fixture
def another_run(place):
    """A run in another process that goes on."""
    run_writes(a="one")
    held = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], env=held, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout.readline() == "warm\n"
        yield run
        end(run)


def end(run):
    """Ends it, once."""
    if run.poll() is None:
        run.communicate("\n")


def test_nothing_is_deleted_while_another_run_goes_on(place, another_run):
    (place.rglob("a").__next__().parent / "half").write_text("tw")
    assert names() == ["a", "half"]
    end(another_run)
    assert names() == ["a", "half"]  # the run that ended last has written down what was there


def test_a_damaged_program_beside_another_run_switches_the_cache_off(place, another_run):
    (file,) = place.rglob("a")
    file.write_text("on")
    assert run_writes() == OFF


@pytest.mark.parametrize("value", ["off", "{file}", "{file}/below"])
def test_without_a_folder_to_write_to_there_is_none(place, monkeypatch, tmp_path, value):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv(compilation_cache.PLACE, value.format(file=tmp_path / "file"))
    open_cache()
    assert (at_start(), variables()) == (OFF, {})


@pytest.mark.parametrize("fails", ["mkdir", "open", "unlink", "stat"])
def test_a_read_only_folder_is_no_cache_and_no_error(place, monkeypatch, fails):
    run_writes(a="one")
    (file,) = place.rglob("a")
    file.write_text("two")

    def refuse(*given, **more):
        raise PermissionError(13, "read-only")

    monkeypatch.setattr(compilation_cache.Path, fails, refuse)
    open_cache()
    assert at_start() == OFF


def test_a_folder_that_becomes_read_only_ends_no_run(place, monkeypatch):
    open_cache()

    def refuse(*given, **more):
        raise PermissionError(13, "read-only")

    monkeypatch.setattr(compilation_cache.Path, "write_text", refuse)
    close_cache()
    assert variables() == {}


def test_a_timing_process_compiles_whatever_was_compiled_before(place):
    open_cache()
    given = environment()
    assert not {"JAX_COMPILATION_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"} & given.keys()
    assert given["JAX_ENABLE_COMPILATION_CACHE"] == "false"
    assert given["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] == "1"


JAX = """
import jax
import jax.numpy as jnp


@jax.jit
def _compiled(q, k, v):
    scores = q.astype(jnp.float32) @ k.astype(jnp.float32).mT * max(q.shape[-1], 1) ** -0.5
    return (jax.nn.softmax(scores, -1) @ v.astype(jnp.float32)).astype(q.dtype) * (1 + (q.shape[2] == 1))


def attention(q, k, v):
    return _compiled(q, k, v)


attention.framework = "jax"
"""
FIXED = ["--examples", "2", "--dtype", "float32", "--property", "output_agrees_with_the_oracle", "--json"]


@pytest.mark.slow
def test_verdicts_are_the_same_cold_warm_damaged_and_without(place, tmp_path, capfd, monkeypatch):
    pytest.importorskip("jax")
    (tmp_path / "mine.py").write_text(JAX)

    def judged():
        """The rows but for their times, and the state of the cache at the beginning."""
        folder = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        assert main(["check", f"{tmp_path}/mine.py:attention", *FIXED, "--output", str(folder)]) == 1
        rows = json.loads(capfd.readouterr().out)["checks"]
        kept = [{name: value for name, value in row.items() if name not in ("seconds", "replay")} for row in rows]
        return kept, json.loads((folder / "run.json").read_text())["compilation_cache"]["state"]

    cold, state = judged()
    assert (state, {row["outcome"] for row in cold} >= {"violates"}) == ("cold", True)
    programs = [path for path in place.rglob("*-cache") if path.stat().st_size]
    assert programs
    assert judged() == (cold, "warm")
    for n, path in enumerate(programs):
        path.write_bytes(path.read_bytes()[: n % 3 * 100])
    assert judged() == (cold, "cold")
    monkeypatch.setenv(compilation_cache.PLACE, "off")
    assert judged() == (cold, "off")

"""An audit of a file: its functions are the faults, whatever they are called, and a wrong file is one clear line."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from attention_harness.audit import audit, select
from attention_harness.audit.controls import BASES, CONTROLS
from attention_harness.audit.own_file import entries_of, functions
from attention_harness.audit.trials import Base, MutantRun
from attention_harness.cli.app import main
from attention_harness.conformance.check import Plan, load_properties
from attention_harness.conformance.oracle_cache import CachedOracle
from attention_harness.conformance.settings import Settings
from attention_harness.conformance.under_test import UnderTest
from attention_harness.errors import CallFailed, UsageError
from attention_harness.generation.suite import Suite
from attention_harness.process.in_process import InProcessWorker
from attention_harness.registry.loading import LoadError, load
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.spec import spec_of

load_properties()
RIGHT = """
import os
import sys

import numpy as np

from attention_implementations.numpy.eager import attention as _attention
"""
FILE = (
    RIGHT
    + """
ALONE = {"leaves"}


def sound_eager(q, k, v, *, scale=None):
    return _attention(q, k, v, scale=scale)


def sound_but_doubled(q, k, v, *, scale=None):
    return 2 * _attention(q, k, v, scale=scale)


def the_softcap_is_dropped(q, k, v, *, scale=None):
    print("not on standard output")
    return _attention(q, k, v)


def eager(q, k, v, *, scale=None):
    return _attention(q, k, v, scale=scale)[..., ::-1, :]


def survives(q, k, v):
    return _attention(q, k, v)


def leaves(q, k, v, *, scale=None):
    if v.shape[2] == 5:
        os._exit(0)
    return _attention(q, k, v, scale=scale)
"""
)
CASES = [Case(Problem(2, 2, 1, 3, 4 + n, 8, 8, dtype="float32", scale=0.5)) for n in range(2)]


@pytest.fixture
def saved(tmp_path):
    """A text as a file with this name."""

    def save(text: str, name: str = "mutants.py") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return save


@pytest.fixture
def few_cases(monkeypatch):
    """Two cases instead of a suite."""
    run = import_module("attention_harness.audit.run")
    monkeypatch.setattr(run, "draw_suite", lambda *given: {"attention": Suite(drawn=CASES), "multi-head": Suite()})
    monkeypatch.setattr(run, "vectors", lambda names: ())


@pytest.mark.slow
@pytest.mark.usefixtures("few_cases")
def test_from_the_command_line(saved, tmp_path, capsys):
    file, output = saved(FILE), tmp_path / "run"
    assert main(["audit", str(file), "--examples", "5", "--json", "--output", str(output)]) == 1
    document = json.loads(capsys.readouterr().out)
    killed = {row["fault"]: bool(row["killed_by"]) for row in document["faults"]}
    assert killed == {"the_softcap_is_dropped": True, "eager": True, "survives": False, "leaves": True}
    assert list(killed) == [entry.name for entry in entries_of(file) if not entry.control]
    assert {row["class"] for row in document["faults"]} == {"own"}
    accusers = {row["name"]: row["accused_by"] for row in document["sound"]}
    assert accusers["sound_eager"] is None
    assert accusers["sound_but_doubled"]
    page = (output / "report.html").read_text()
    assert "the process exited with status 0" in page
    assert f"audit {file} --only leaves" in page
    assert (output / "report.md").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("few_cases")
def test_a_function_that_ends_the_process_of_all_is_named(saved, tmp_path, capsys):
    file = saved(FILE.replace('ALONE = {"leaves"}', "ALONE = set()"))
    assert main(["audit", str(file), "--only", "leaves", "--quick", "--output", str(tmp_path / "run")]) == 2
    assert "leaves of mutants.py ended the process" in capsys.readouterr().err


def test_an_import_that_ends_the_process_is_one_line(saved, capsys):
    assert main(["audit", str(saved("import os\nos._exit(0)\n"))]) == 2
    assert "its import ends the process" in capsys.readouterr().err


def test_a_function_that_leaves_in_the_process_of_all_has_crashed():
    def attention(q, k, v):
        raise SystemExit(3)

    worker = InProcessWorker(attention)
    under_test = UnderTest(worker, worker.description)
    with pytest.raises(CallFailed, match="SystemExit: 3") as failure:
        under_test(under_test.realise(Case(Problem())))
    assert failure.value.outcome == "crashed"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("def a(q, k, v): ...\ndef _b(x): ...\nfrom os.path import join\nc = lambda q, k, v: q\n", ["a", "c"]),
        ("def a(q, k, v): ...\nMUTANTS = {'b, twice': a, 'sound a': a}\n", ["b, twice", "sound a"]),
        ("def a(q, k, v): ...\nFAULTS = {'eager': a}\nALONE = ['eager']\n", ["eager"]),
    ],
)
def test_the_functions_are_those_of_the_mapping_or_all_public_ones(text, names, saved):
    assert [entry.name for entry in entries_of(saved(text))] == names


F = "def f(q, k, v):\n    return q\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("raise ValueError('one\\ntwo')", "raised ValueError: one two"),
        ("import sys\nsys.exit(0)", "raised SystemExit: 0"),
        ("import no_such_module_of_mine", "No module named 'no_such_module_of_mine'"),
        ("def f(:", "raised SyntaxError"),
        ("x = 1", "should have a public function"),
        ("MUTANTS = {}", "should have a function in MUTANTS"),
        (F + "FAULTS = [f]", "FAULTS of mutants.py=list, but should be a mapping"),
        (F + "FAULTS = {'a': 3}", "FAULTS['a'] of mutants.py=int, but should be a function"),
        (F + "FAULTS = {1: f}", "FAULTS of mutants.py has 1, but should have names"),
        (F + "FAULTS = MUTANTS = {'a': f}", "FAULTS and MUTANTS, but should have one of them"),
        (F + "ALONE = {'g'}", "ALONE of mutants.py has g, but should have names of its functions: f"),
        (F + "ALONE = 'f'", "ALONE of mutants.py='f', but should be a set of names"),
        (F + "def softmax(x):\n    return x", "the name of a helper begins with _"),
        (F + "f.convention = {}", "attribute=convention, but should be conventions"),
        (F + "f.framework = 'theano'", "framework=theano, but should be"),
    ],
)
def test_a_wrong_file_is_one_line(text, words, saved):
    with pytest.raises(UsageError) as error:
        entries_of(saved(text))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.py"], "file=nowhere.py, but should be a file that can be read"),
        (["a.py", "b.py"], "should be names of the catalogue, or one file alone"),
        (["a.py:f"], "fault=a.py:f, but should be a.py --only f"),
        (["--only", "f"], "only, but should be for the functions of a file"),
        (["--declare", "lse_base=2"], "declare, but should be for the functions of a file"),
        (["a.py", "--other-checks"], "other-checks, but should be of the catalogue alone"),
    ],
)
def test_a_wrong_call_is_one_line(arguments, words, capsys):
    assert main(["audit", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_only_these_functions(saved):
    file = saved(FILE)
    chosen = select([str(file)], ["s*", "eager"], {}, False)
    assert [entry.name for entry in chosen.entries] == ["sound_eager", "sound_but_doubled", "eager", "survives"]
    with pytest.raises(UsageError, match="only=z, but should be a name of mutants.py, or a glob over them: sound_eager"):
        select([str(file)], ["z"], {}, False)


def test_a_worker_finds_functions_and_entries_of_mappings(saved):
    plain, mapped = saved(FILE), saved(F + "FAULTS = {'drops, twice': f}", "statistics.py")
    for file, name in ((plain, "eager"), (mapped, "drops, twice")):
        entry = next(entry for entry in entries_of(file) if entry.name == name)
        function, description = load(name, entry.target.location)
        assert description.name == name
        assert function.__code__.co_filename == str(file)
    with pytest.raises(LoadError):
        load("another", f"{mapped}:FAULTS")


def runs(file: Path, plan: Plan, names: tuple[str, ...] = BASES):
    """The functions of a file on the cases of a plan, beside these bases."""
    specs = {spec: CachedOracle(spec_of(spec)) for spec in audit.SPECS}
    bases = [Base(name, CONTROLS[name], plan, specs) for name in names]
    trials = [MutantRun(name, function, plan, specs, bases) for name, function in functions(file).items()]
    audit._all_cases([*bases, *trials], specs["attention"], quick=False, tick=lambda name: None)
    return trials


OPTIONS = "mask=None, bias=None, is_causal=False, scale=None, window=None, softcap=None, sinks=None"
OPTIONS += ", query_lengths=None, key_lengths=None, return_weights=False, return_lse=False"
FULL = (
    RIGHT
    + f"def full(q, k, v, *, {OPTIONS}):\n    return _attention(q, k, v, scale=scale, return_lse=return_lse, return_weights=return_weights)"
)


def test_a_function_with_all_options_shares_the_answers_of_the_controls(saved, tmp_path):
    plan = Plan({"attention": Suite(drawn=CASES), "multi-head": Suite()}, tmp_path)
    short, long = (runs(saved(FULL, f"{len(names)}.py"), plan, names)[0] for names in (BASES, ()))
    assert any(short.bases.values())
    assert short.kills.keys() == long.kills.keys()


def test_a_declaration_of_the_command_line_is_for_the_functions_of_the_file(saved, tmp_path):
    plan = Plan({"attention": Suite(), "multi-head": Suite()}, tmp_path, Settings(declared={"causal_alignment": "bottom-right"}))
    specs = {spec: CachedOracle(spec_of(spec)) for spec in audit.SPECS}
    base = Base("eager", CONTROLS["eager"], plan, specs)
    trial = MutantRun("eager", functions(saved(FULL))["full"], plan, specs, [base])
    assert (base.description, trial.description) == (
        base.worker.description,
        replace(trial.worker.description, conventions=trial.description.conventions),
    )
    assert trial.description.conventions.causal_alignment == "bottom-right"
    assert not any(trial.bases.values())

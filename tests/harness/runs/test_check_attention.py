"""A check from Python: its verdict and its failures, where the function runs, and what it leaves behind."""

from __future__ import annotations

import gc
import os
import random
import subprocess
import sys
import warnings
from functools import partial

import numpy as np
import pytest
from hypothesis import settings

import attention_harness
from attention_harness import check_attention
from attention_harness.conformance.replay import replay
from attention_harness.errors import UsageError
from attention_harness.frameworks.switches import precise
from attention_implementations.numpy.eager import attention as right
from attention_reports.schema import CHECKS

FEW = {"examples": 2, "dtypes": ["float32"], "properties": ["P4"]}


def tiled(q, k, v, *, is_causal=False, scale=None):
    """Query head h reads key head h % Hkv."""
    k, v = (np.tile(a, (1, q.shape[1] // max(k.shape[1], 1), 1, 1)) for a in (k, v))
    return right(q, k, v, is_causal=is_causal, scale=scale)


class Instance:
    def __call__(self, q, k, v, *, scale=None):
        return right(q, k, v, scale=scale)


@pytest.fixture(scope="module")
def failed():
    return check_attention(tiled, **FEW)


def test_a_right_function_is_true_and_has_no_failures():
    result = check_attention(right, **FEW)
    assert result
    assert result.failures == []
    assert result.verdict == "attention agrees with the specification."


@pytest.mark.slow
def test_a_quick_check_judges_every_property():
    result = check_attention(right, quick=True)
    assert result, result
    assert set(result.frame["clause"]) > {"P1", "P4", "P5", "M1", "R1"}
    assert result.settings.examples == 15


def test_a_wrong_function_is_false_and_its_failure_has_the_smallest_problem(failed):
    assert not failed
    assert failed.verdict == "tiled does not agree with the specification."
    (one,) = failed.failures
    assert (one.property, one.id, one.dtype, one.outcome) == (
        "output_agrees_with_the_oracle",
        "P4",
        "float32",
        "violates",
    )
    assert one.sentence.startswith("out[")
    assert "but should be" in one.sentence
    assert one.case.startswith("B=1 Hq=4 Hkv=2 Lq=1 Lk=1")
    assert one.looks_like.startswith("query head h reads key head h % Hkv")
    assert f"\n  looks like: {one.looks_like}\n" in str(one)


def test_the_replay_line_judges_it_again(failed):
    (one,) = failed.failures
    assert eval(one.replay).failures == [one]


def test_the_table_has_the_columns_of_a_run(failed):
    assert list(failed.frame.columns) == list(CHECKS)
    assert list(failed.frame["outcome"]) == ["violates"]


def test_the_text_is_that_of_the_terminal(failed):
    lines = str(failed).splitlines()
    assert lines[0].split() == ["implementation", "outcome", "violates", "cases"]
    assert lines[2] == "tiled violates: output agrees with the oracle (float32)"
    assert lines[4].startswith("  looks like: query head h reads key head h % Hkv")
    assert lines[-1] == "tiled was called with numpy arrays, in this process: a crash would have been one of the caller."


@pytest.mark.parametrize(
    "function",
    [lambda q, k, v: right(q, k, v), partial(right, scale=None), Instance()],
    ids=["lambda", "partial", "instance"],
)
def test_a_function_object_of_any_kind_is_called(function):
    assert check_attention(function, **FEW)


def test_another_framework_is_found_and_its_switches_are_left_as_they_were():
    torch = pytest.importorskip("torch")

    def attention(q, k, v):
        k, v = (a.repeat_interleave(q.shape[1] // max(k.shape[1], 1), 1) for a in (k, v))
        return torch.nn.functional.scaled_dot_product_attention(q, k, v)

    before = _switches(torch)
    assert "was called with torch arrays" in check_attention(attention, examples=2, dtypes=["float32"], properties=["P2"]).how
    assert _switches(torch) == before


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_full_precision_lasts_as_long_as_a_block(framework):
    module = pytest.importorskip(framework)
    before = _switches(module)
    with precise(framework):
        assert "highest" in _switches(module)
    assert _switches(module) == before


def _switches(module):
    if module.__name__ == "torch":
        return module.get_float32_matmul_precision(), module.backends.cudnn.allow_tf32
    return module.config.jax_enable_x64, module.config.jax_default_matmul_precision


def test_a_name_is_called_in_a_process_of_its_own(tmp_path):
    place = f"{tmp_path / 'mine.py'}:attention"
    (tmp_path / "mine.py").write_text("import os\n\n\ndef attention(q, k, v):\n    raise RuntimeError(os.getpid())\n")
    result = check_attention(place, **FEW)
    one = result.failures[0]
    assert (one.id, one.outcome) == ("P1", "errored")
    assert one.sentence.startswith("RuntimeError: ")
    assert str(os.getpid()) not in one.sentence
    options = "--property every_problem_is_answered --dtype float32 --examples 2 --seed 0"
    assert one.replay == f"attention-harness check {place} {options}"
    assert result.how.endswith("in a process of its own.")


def test_an_exception_is_an_outcome_and_is_shown_as_it_is():
    def attention(q, k, v):
        raise RuntimeError("<b>bold</b>")

    result = check_attention(attention, **FEW)
    assert [one.outcome for one in result.failures] == ["errored"]
    assert "&lt;b&gt;bold&lt;/b&gt;" in result._repr_html_()
    assert "<b>bold</b>" not in result._repr_html_()


def test_what_refuses_everything_is_not_true_and_the_verdict_says_why():
    def attention(q, k, v):
        raise NotImplementedError("no kernel for it")

    result = check_attention(attention, **FEW)
    assert not result
    assert not result.failures
    assert "answered" in result.verdict


def test_nothing_of_this_process_is_changed_and_no_file_is_left(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_module.py").write_text("def attention(q, k, v):\n    return q\n")

    def state():
        here = os.getcwd(), dict(os.environ), list(sys.path)
        return *here, list(warnings.filters), np.geterr(), settings().max_examples, random.getstate()

    before = state()
    results = [check_attention(f, **FEW) for f in (tiled, "own_module:attention")]
    assert state() == before
    folders = [result._folder for result in results]
    assert [path.name for path in tmp_path.iterdir() if path.name != "__pycache__"] == ["own_module.py"]
    del results
    gc.collect()
    assert not any(map(os.path.exists, folders))


def test_warnings_that_are_errors_here_are_none_of_the_function():
    def attention(q, k, v):
        warnings.warn("slow path", stacklevel=1)
        return right(q, k, v)

    with warnings.catch_warnings(action="error"):
        assert check_attention(attention, **FEW)


def test_a_report_is_one_file_and_a_saved_run_is_a_folder_that_commands_read(failed, tmp_path):
    page = failed.report(tmp_path / "report.html")
    assert "tiled does not agree with the specification" in page.read_text()
    assert list(tmp_path.iterdir()) == [page]
    folder = failed.save(tmp_path / "run")
    assert {"run.json", "checks.parquet", "report.html", "cases"} <= {path.name for path in folder.iterdir()}
    case = folder / "cases" / f"{failed.failures[0].record}.json"
    with pytest.raises(UsageError, match="target=tiled, but should be given beside the file"):
        replay(case)
    assert not replay(case, "numpy-eager").wrong
    assert [path.suffix for path in case.parent.iterdir()] == [".json"]


def test_a_place_that_cannot_be_written_is_named(failed, tmp_path):
    with pytest.raises(UsageError, match=r"path=.*, but should be a file that can be written: No such file"):
        failed.report(tmp_path / "none" / "report.html")
    with pytest.raises(UsageError, match=r"folder=.*, but should be a new folder: File exists"):
        failed.save(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"quick": True, "examples": 3}, "examples=3, but should be left out: quick asks 15"),
        ({"examples": 0}, "examples=0, but should be above 0"),
        ({"timeout": -1.0}, "timeout=-1.0, but should be above 0"),
        ({"dtypes": ["float31"]}, "dtypes=float31, but should be among float32, float64"),
        ({"properties": ["P99"]}, "property=P99, but should be P9"),
        ({"properties": ["output_agrees"]}, "property=output_agrees, but should be "),
        ({"properties": "P4"}, "properties=P4, but should be a list"),
        ({"declare": {"causal": "top"}}, "convention=causal, but should be one of"),
        ({"declare": {"layout": "bdhl"}}, "layout=bdhl, but should be"),
        ({"declare": {"returns": ("lse",)}}, "returns=lse, but should have out once"),
        ({"framework": "tensorflow"}, "framework=tensorflow, but should be one of numpy, torch, jax"),
        ({"f": 3}, "f=int, but should be a function, or the name of one"),
        ({"f": Instance}, "f=the class Instance, but should be an instance of it"),
        ({"f": lambda x: x}, "but should take three arrays, q, k and v"),
        ({"f": "numpy-*"}, r"f=numpy-\*, but should name one function"),
        ({"f": "numpy-eagr"}, "target=numpy-eagr, but should be numpy-eager"),
        ({"f": "numpy-eager", "framework": "torch"}, "framework=torch, but should be left out"),
        ({"f": "numpy-eager", "declare": {"backward": print}}, "declare=backward, but should be left out"),
    ],
)
def test_a_wrong_argument_is_one_sentence(arguments, message):
    arguments = {"f": right} | arguments
    with pytest.raises(UsageError, match=message):
        check_attention(arguments.pop("f"), **arguments)


def test_a_file_without_that_function_is_named(tmp_path):
    (tmp_path / "mine.py").write_text("def other(q, k, v):\n    return q\n")
    with pytest.raises(UsageError, match="but should name a function of that module: other"):
        check_attention(f"{tmp_path / 'mine.py'}:attention", **FEW)


def test_a_file_that_checks_itself_at_import_does_not_start_itself_again_and_again(tmp_path):
    lines = [
        "from attention_harness import check_attention",
        "def attention(q, k, v): ...",
        "check_attention('mine.py:attention')",
    ]
    (tmp_path / "mine.py").write_text("\n".join(lines))
    with pytest.raises(UsageError, match="raised UsageError: check_attention=called at import, but should stand below"):
        check_attention(f"{tmp_path / 'mine.py'}:attention", **FEW)


def test_conventions_are_declared_in_the_call():
    def attention(q, k, v, *, is_causal=False):
        lq, lk = q.shape[2], k.shape[2]
        return right(q, k, v, mask=np.tri(lq, lk, lk - lq, dtype=bool) if is_causal else None)

    assert not check_attention(attention, **FEW)
    result = check_attention(attention, declare={"causal_alignment": "bottom-right"}, **FEW)
    assert result, result


def test_the_public_names_are_loaded_when_they_are_used():
    code = (
        "import sys, attention_harness as a; early = sorted({'pandas', 'numpy', 'hypothesis'} & set(sys.modules)); "
        "print(early, all(getattr(a, name) for name in a.__all__), sorted({'torch', 'jax', 'matplotlib'} & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "[] True []"
    with pytest.raises(AttributeError, match="has no attribute 'other'"):
        attention_harness.other

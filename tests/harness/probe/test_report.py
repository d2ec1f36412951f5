"""Verdicts of a probe on declarations, on defaults, and on behaviour that no declaration covers."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from attention_harness import probe
from attention_harness.cli.app import main
from attention_harness.probe.display import show
from attention_harness.probe.experiments import EXPERIMENTS, Observation
from attention_harness.probe.report import COULD, DIFFERS, MATCHES, NOTED, OWED, REFUTED, UNTOLD, ProbeReport
from attention_harness.probe.session import NOTHING
from attention_harness.process.limits import Limits
from attention_harness.registry.targets import Target, resolve
from attention_specs.contract import Conventions, Description

NOT_PRECISION = ("deterministic", "batch_invariant", "thread_safe", "checks_shapes", "precision")


def rows(value, **forms):
    return Observation("empty_rows", value, "", row_values={"float32": forms or {"mask": value}})


VERDICTS = [
    (Observation("batch_invariant", True, ""), {}, COULD), (Observation("batch_invariant", False, ""), {"batch_invariant": True}, REFUTED),
    (Observation("deterministic", False, ""), {}, OWED), (Observation("deterministic", False, ""), {"deterministic": True}, REFUTED),
    (Observation("deterministic", True, ""), {"deterministic": False}, COULD),
    (Observation("masked_nan_safe", "keys", ""), {}, COULD), (Observation("masked_nan_safe", "keys", ""), {"masked_nan_safe": True}, REFUTED),
    (Observation("masked_nan_safe", "keys", ""), {"masked_nan_safe": "values"}, REFUTED),
    (Observation("masked_nan_safe", True, ""), {"masked_nan_safe": "values"}, COULD),
    (rows("nan"), {"empty_rows": {"mask": "nan"}}, MATCHES), (rows("nan"), {}, OWED), (rows("nan"), {"empty_rows": "zeros"}, REFUTED),
    (rows({"mask": "nan", "bias": "zeros"}, mask="nan", bias="zeros"), {"empty_rows": {"mask": "nan"}}, MATCHES),
    (rows("nan"), {"empty_rows": "unspecified"}, COULD), (rows("nan"), {"empty_rows": {"float16": "zeros", "mask": "nan"}}, MATCHES),
    (rows("zeros"), {"empty_rows": {"float32": "nan", "mask": "zeros"}}, REFUTED),
    (rows("zeros", mask="zeros", together="zeros"), {"empty_rows": {"together": "nan"}}, REFUTED),
    (Observation("mask, True", "do not attend", "", "fixed", "attend"), {}, DIFFERS),
    (Observation("causal_alignment", NOTHING, ""), {}, DIFFERS), (Observation("causal_alignment", None, "not asked: refused"), {}, UNTOLD),
    (Observation("layout", "blhd", "", "layout"), {}, OWED), (Observation("layout", "bhld", "", "layout"), {}, MATCHES),
    (Observation("precision bfloat16", "exact", "", "precision", refuted=False), {}, COULD),
    (Observation("precision float32", "tf32-inputs", "", "precision", refuted=True), {}, OWED),
    (Observation("precision bfloat16", None, "", "precision", refuted=True), {}, DIFFERS),
    (Observation("dtypes", ("float32",), "", "dtypes"), {}, MATCHES), (Observation("answered only with", "is_causal", "", "domain"), {}, NOTED),
]  # fmt: skip


def report_of(observation, declared):
    description = Description("mine", conventions=Conventions.declared(declared), declared=tuple(declared))
    return ProbeReport(Target("mine", "mine:attention"), description, [observation])


@pytest.mark.parametrize(("observation", "declared", "verdict"), VERDICTS)
def test_only_what_is_declared_is_contradicted(observation, declared, verdict):
    report = report_of(observation, declared)
    assert report.verdict(observation) == verdict
    assert report.matches is (verdict in (MATCHES, COULD, UNTOLD, NOTED))
    assert report.wrong is (verdict in (REFUTED, DIFFERS))


@pytest.mark.parametrize(("observation", "declared", "verdict"), VERDICTS)
def test_a_default_is_not_called_declared(observation, declared, verdict):
    output = io.StringIO()
    show(report_of(observation, declared), Console(file=output, width=200))
    assert ("declared" in output.getvalue().partition("\n")[0].replace(verdict, "")) is (
        bool(declared) and verdict in (COULD, REFUTED)
    )


LAYOUTS = [
    ("bhld", None, "bhld", MATCHES, 0), ("blhd", "blhd", "blhd", MATCHES, 0), ("blhd", None, "blhd", OWED, 0),
    ("bhld", "blhd", "bhld", REFUTED, 1), ("blhd", "bhld", "blhd", REFUTED, 1),
]  # fmt: skip

LAID_OUT = """
import numpy as np


def attention(q, k, v):
    q, k, v = (a.transpose(AXES) for a in (q, k, v))
    k, v = (np.repeat(a, q.shape[1] // a.shape[1], 1) for a in (k, v))
    s = q @ k.swapaxes(-1, -2) * q.dtype.type(q.shape[3] ** -0.5)
    p = np.exp(s - s.max(-1, keepdims=True, initial=-np.inf))
    return (p / p.sum(-1, keepdims=True) @ v).astype(q.dtype).transpose(AXES)


"""


@pytest.mark.slow
@pytest.mark.parametrize(("own", "declared", "layout", "verdict", "status"), LAYOUTS)
def test_a_layout_is_told_as_it_is_declared(own, declared, layout, verdict, status, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        probe, "EXPERIMENTS", {name: e for name, e in EXPERIMENTS.items() if name in ("dtypes", "layout", "default_scale")}
    )
    axes = {"bhld": "(0, 1, 2, 3)", "blhd": "(0, 2, 1, 3)"}[own]
    path = tmp_path / "laid_out.py"
    path.write_text(LAID_OUT.replace("AXES", axes) + (f'attention.layout = "{declared}"\n' if declared else ""))
    assert main(["probe", f"{path}:attention"]) == status
    printed = capsys.readouterr().out.splitlines()
    held = f", {'declared' if declared else 'default'} {declared or 'bhld'}" if verdict != MATCHES else ""
    assert next(line for line in printed if line.startswith("layout: ")).startswith(f"layout: {layout}  {verdict}{held}  (")
    assert (f'attention.layout = "{layout}"' in printed) is (layout == "blhd")


REFUSALS = [("TypeError('must be Tensor, not numpy.ndarray')", True), ("ValueError('only on Tuesdays')", False)]


@pytest.mark.slow
@pytest.mark.parametrize(("error", "foreign"), REFUSALS)
def test_framework_is_named_only_if_the_exception_speaks_of_arrays(error, foreign, tmp_path, capsys):
    path = tmp_path / "refusing.py"
    path.write_text(f"def attention(q, k, v):\n    raise {error}\n")
    assert main(["probe", f"{path}:attention"]) == 3
    printed = capsys.readouterr().out
    assert "no plain call was answered" in printed and ("attention.framework" in printed) is foreign


def test_status_is_1_for_what_no_declaration_says(tmp_path, capsys, monkeypatch):
    path = tmp_path / "unscaled.py"
    path.write_text(LAID_OUT.replace("AXES", "(0, 1, 2, 3)").replace("** -0.5", "** 0.0"))
    monkeypatch.setattr(
        probe, "EXPERIMENTS", {name: e for name, e in EXPERIMENTS.items() if name in ("dtypes", "layout", "default_scale")}
    )
    assert main(["probe", f"{path}:attention"]) == 1
    assert "no declaration says this: default scale=1, but should be 1/sqrt(D); wrap the function" in capsys.readouterr().out


def test_a_conditional_function_is_probed_across_a_process(tmp_path, monkeypatch):
    path = tmp_path / "causal.py"
    body = LAID_OUT.replace("AXES", "(0, 1, 2, 3)").replace(
        "(q, k, v):", "(q, k, v, *, is_causal=False):\n    assert is_causal", 1
    )
    seen = "np.where(np.tri(*s.shape[2:], s.shape[3] - s.shape[2]), s, -np.inf)"
    path.write_text(body.replace("    p = np", f"    s = {seen}\n    p = np"))
    monkeypatch.setattr(probe, "EXPERIMENTS", {name: e for name, e in EXPERIMENTS.items() if name not in NOT_PRECISION})
    report = probe.probe(resolve([f"{path}:attention"])[0], 0, Limits(10))
    assert report.declaration()["conventions"]["causal_alignment"] == "bottom-right" and not report.wrong

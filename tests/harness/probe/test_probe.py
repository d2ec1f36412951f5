"""Each deviation of a function shows in its answers alone, and the printed declaration can be pasted."""

from __future__ import annotations

import json
import threading

import ml_dtypes
import numpy as np
import pytest

from attention_harness import probe
from attention_harness.audit.controls import DECLARED
from attention_harness.cli.app import main
from attention_harness.probe.experiments import EXPERIMENTS
from attention_harness.probe.report import REFUTED
from attention_harness.probe.session import ProbeSession
from attention_harness.process.limits import Limits
from attention_harness.registry.targets import resolve

CALL_CONVENTION = ("dtypes", "layout", "default_scale", "head_order", "mask_polarity", "causal_alignment", "window")


def made(
    rows="zeros", bottom_right=False, hides=False, tiled=False, causal_wins=False, scores=None, unscaled=False,
    capped_last=False, base=np.e,
):  # fmt: skip
    """An attention with the given deviations; a control without."""

    def attention(q, k, v, *, mask=None, bias=None, is_causal=False, softcap=None, return_lse=False):
        work = np.float64 if q.dtype == np.float64 else np.float32
        group = q.shape[1] // k.shape[1]
        repeated = (lambda a: np.tile(a, (1, group, 1, 1))) if tiled else (lambda a: np.repeat(a, group, 1))
        s = q.astype(work) @ repeated(k).astype(work).swapaxes(-1, -2) * (1 if unscaled else work(q.shape[3] ** -0.5))
        s = s.astype(q.dtype).astype(work) if scores == "rounded" else s

        def cap(a):
            return a if softcap is None else softcap * np.tanh(a / softcap)

        added = 0 if bias is None else bias.astype(work)
        s = cap(s + added) if capped_last else cap(s) + added
        seen = np.ones(s.shape, bool)
        if mask is not None and not (causal_wins and is_causal):
            seen &= ~mask if hides else mask
        if is_causal:
            seen &= np.tri(*s.shape[2:], s.shape[3] - s.shape[2] if bottom_right else 0, dtype=bool)
        s = np.where(seen, s, -np.inf)
        empty = (s == -np.inf).all(-1, keepdims=True)
        top = np.where(empty, 0, s.max(-1, keepdims=True))
        p = np.exp(s - top)
        total = p.sum(-1, keepdims=True)
        w = np.where(empty, {"zeros": 0, "nan": np.nan, "uniform": 1 / s.shape[3]}[rows], p / np.where(empty, 1, total))
        out = (w.astype(work) @ repeated(v).astype(work)).astype(q.dtype)
        with np.errstate(divide="ignore"):
            return (out, (np.log(total) + top)[..., 0] / np.log(base)) if return_lse else out

    return attention


control, few_bits = made(), DECLARED["declared sums of 14 bits"]


def narrow(q, k, v):
    """float64 computed in float32."""
    return control(*(a.astype(np.float32) if a.dtype == np.float64 else a for a in (q, k, v))).astype(q.dtype)


def restless():
    rng = np.random.default_rng(0)

    def attention(q, k, v):
        """Adds its keys up in another order each time."""
        order = rng.permutation(k.shape[2])
        return control(q, k[:, :, order], v[:, :, order])

    return attention


def batched(q, k, v):
    """Adds its keys up in another order in large batches."""
    return control(q, k[:, :, ::-1], v[:, :, ::-1]) if len(q) > 2 else control(q, k, v)


def one_by_one(q, k, v):
    """One term after the other: no library chooses an order by sizes or addresses."""
    dtype = q.dtype
    q, k, v = (np.repeat(a, q.shape[1] // a.shape[1], 1).astype(np.promote_types(a.dtype, np.float32)) for a in (q, k, v))
    s = sum(q[..., :, None, d] * k[..., None, :, d] for d in range(q.shape[3])) * q.dtype.type(q.shape[3] ** -0.5)
    p = np.exp(s - s.max(-1, keepdims=True))
    parts = [(p[..., j, None], p[..., j, None] * v[:, :, None, j]) for j in range(k.shape[2])]
    return (sum(part for _, part in parts) / sum(share for share, _ in parts)).astype(dtype)


def unsafe():
    kept = {}
    turn = threading.Event()

    def attention(q, k, v):
        """Keeps its queries where another call finds them."""
        kept["q"] = q
        turn.wait(0.001)
        return control(kept["q"], k, v)

    return attention


def safe(q, k, v, *, mask=None):
    """Keys that no query sees are not read."""
    if mask is not None:
        seen = np.broadcast_to(mask, (*q.shape[:3], k.shape[2])).any((1, 2))[:, None, :, None]
        k, v = np.where(seen, k, 0).astype(k.dtype), np.where(seen, v, 0).astype(v.dtype)
    return control(q, k, v, mask=mask)


def strict(q, k, v):
    """Looks at sizes first."""
    if k.shape[:3] != v.shape[:3] or k.shape[0] != q.shape[0] or k.shape[3] != q.shape[3] or q.shape[1] % k.shape[1]:
        raise ValueError("sizes do not fit")
    return control(q, k, v)


def careless(q, k, v):
    """Takes as many keys as there are values."""
    n = min(k.shape[2], v.shape[2])
    return control(q, k[:, :, :n], v[:, :, :n])


def weights_in(kind, size):
    """Weights of 16-bit calls stored in this format, the largest of a row as `size`."""

    def attention(q, k, v):
        work = np.float64 if q.dtype == np.float64 else np.float32
        k, v = (np.repeat(a, q.shape[1] // k.shape[1], 1).astype(work) for a in (k, v))
        s = q.astype(work) @ k.swapaxes(-1, -2) * work(q.shape[3] ** -0.5)
        p = np.exp(s - s.max(-1, keepdims=True, initial=-np.inf))
        stored = (p * size).astype(kind).astype(work) / work(size) if q.dtype.itemsize == 2 else p
        return (stored @ v / p.sum(-1, keepdims=True)).astype(q.dtype)

    return attention


def summed_in_its_dtype(q, k, v):
    """The sum of a row's powers is kept in the dtype, as NumPy sums bfloat16: many of them are off by more than a weight in e4m3."""
    s = (q * q.dtype.type(q.shape[3] ** -0.5) @ np.repeat(k, q.shape[1] // k.shape[1], 1).swapaxes(-1, -2)).astype(q.dtype)
    p = np.exp(s - s.max(-1, keepdims=True))
    return (p / np.cumsum(p, -1, dtype=q.dtype)[..., -1:] @ np.repeat(v, q.shape[1] // v.shape[1], 1)).astype(q.dtype)


def other_layout(q, k, v):
    """Positions before heads."""
    return control(*(a.swapaxes(1, 2) for a in (q, k, v))).swapaxes(1, 2)


DEVIATIONS = [
    ("empty_rows", made(), "zeros"), ("empty_rows", made(rows="nan"), "nan"), ("empty_rows", made(rows="uniform"), "uniform"),
    ("causal_alignment", made(), "top-left"), ("causal_alignment", made(bottom_right=True), "bottom-right"),
    ("mask_means", made(), "visible"), ("mask_means", made(hides=True), "hidden"),
    ("empty_rows", made(hides=True, rows="nan"), "nan"), ("empty_rows", made(bottom_right=True, rows="uniform"), "uniform"),
    ("key head of query head h", made(), "h // group"), ("key head of query head h", made(tiled=True), "h % Hkv"),
    ("lse_base", made(base=2), "2"), ("lse_base", made(), "e"),
    ("default scale", made(unscaled=True), "1"), ("causal_alignment", made(unscaled=True, bottom_right=True), "bottom-right"),
    ("mask with is_causal", made(), "and"), ("mask with is_causal", made(causal_wins=True), "causality alone"),
    ("softcap", made(), "before the bias"), ("softcap", made(capped_last=True), "after the bias"),
    ("layout", control, "bhld"), ("layout", other_layout, "blhd"), ("default scale", other_layout, "1/sqrt(D)"),
    ("precision float64", narrow, "computed-in-float32"), ("precision float64", control, "exact"),
    ("precision bfloat16", control, "exact"), ("precision bfloat16", made(scores="rounded"), "scores-rounded"),
    ("precision float16", made(scores="rounded"), "scores-rounded"), ("precision bfloat16", made(rows="nan"), "exact"),
    *((f"precision {dtype}", weights_in(ml_dtypes.float8_e4m3fn, 256), "weights-e4m3-scaled") for dtype in ("bfloat16", "float16")),
    ("precision bfloat16", weights_in(ml_dtypes.float8_e4m3fn, 1), "weights-e4m3"),
    *((f"precision {dtype}", few_bits, "weights-rounded+sums-of-14-bits") for dtype in ("bfloat16", "float16")),
    ("precision bfloat16", weights_in(ml_dtypes.bfloat16, 1), "weights-rounded"),
    ("precision bfloat16", summed_in_its_dtype, "sums-rounded"),
    ("deterministic", control, True), ("deterministic", restless(), False),
    ("batch_invariant", one_by_one, True), ("batch_invariant", batched, False),
    ("thread_safe", control, True), ("thread_safe", unsafe(), False),
    ("masked_nan_safe", control, False), ("masked_nan_safe", safe, True),
    ("checks_shapes", careless, False), ("checks_shapes", strict, True),
]  # fmt: skip


@pytest.fixture
def observation_of(subject_of):
    """Function and name -> the observation of that name."""

    def find(function, name):
        session = ProbeSession(subject_of(function), 0)
        experiments = [e for e in EXPERIMENTS.values() if e.suits(session)]
        observations = [f for e in experiments if e.name in CALL_CONVENTION or _leads_to(e.name, name) for f in e(session)]
        return next(f for f in observations if f.name == name)

    return find


def _leads_to(experiment, name):
    return experiment == name.split()[0] or experiment == {"mask with is_causal": "mask_with_causal"}.get(name)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "function", "value"), DEVIATIONS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_a_function_does_is_found_from_its_answers(name, function, value, observation_of):
    observation = observation_of(function, name)
    assert observation.value == value, observation.evidence


def test_forms_that_differ_are_told_apart(observation_of):
    def attention(q, k, v, *, mask=None, bias=None):
        return made(rows="zeros" if bias is None else "nan")(q, k, v, mask=mask, bias=bias)

    assert observation_of(attention, "empty_rows").value == {"mask": "zeros", "bias": "nan", "together": "nan"}


def test_what_the_signature_lacks_is_no_fact_of_the_function(subject_of):
    session = ProbeSession(subject_of(safe), 0)
    names = {e.name for e in EXPERIMENTS.values() if e.suits(session)}
    assert "mask_polarity" in names and not names & {"causal_alignment", "window_alignment", "bias", "softcap", "lse_base"}


def test_a_refusal_ends_one_experiment_only(observation_of):
    def attention(q, k, v, *, softcap=None):
        if softcap is not None:
            raise ZeroDivisionError("of the cap")
        return control(q, k, v)

    assert observation_of(attention, "softcap").evidence == "not asked: errored: ZeroDivisionError: of the cap"
    assert observation_of(attention, "deterministic").value


def test_what_no_model_explains_is_said(observation_of):
    observation = observation_of(lambda q, k, v: (1.01 * control(q, k, v)).astype(q.dtype), "precision float32")
    assert observation.value is None and observation.refuted


MINE = '''
import numpy as np


def attention(q, k, v, *, mask=None, is_causal=False):
    """Uniform rows, bottom-right, scores in the dtype, base arithmetic in float32 or better."""
    work = np.float64 if q.dtype == np.float64 else np.float32
    k, v = (np.repeat(a.astype(work), q.shape[1] // max(a.shape[1], 1), axis=1) for a in (k, v))
    s = q.astype(work) @ k.swapaxes(-1, -2) / work(max(q.shape[3], 1) ** 0.5)
    hidden = np.zeros(s.shape, bool) if mask is None else np.broadcast_to(~mask, s.shape)
    if is_causal:
        hidden = hidden | ~np.tri(*s.shape[2:], s.shape[3] - s.shape[2], dtype=bool)
    s = np.where(hidden, -np.inf, s)
    s = np.where(hidden.all(-1, keepdims=True), 0, s)
    p = np.exp(s - s.max(-1, keepdims=True, initial=-np.inf))
    total = p.sum(-1, keepdims=True)
    return (p / np.where(total == 0, 1, total) @ v).astype(q.dtype)
'''


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


@pytest.mark.slow
def test_what_is_printed_can_be_pasted_and_then_check_agrees(mine, capsys, tmp_path):
    target, properties = f"{mine}:attention", ("output_agrees_with_the_oracle", "empty_rows_follow_the_declaration")
    checking = ["check", target, "--examples", "12", *(word for name in properties for word in ("--property", name))]
    assert main([*checking, "--output", str(tmp_path / "before")]) == 1
    capsys.readouterr()
    assert main(["probe", target]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("attention.")]
    assert any('"causal_alignment": "bottom-right"' in line for line in lines)
    mine.write_text(MINE + "\n\n" + "\n".join(lines) + "\n")
    assert main([*checking, "--output", str(tmp_path / "after")]) == 0
    assert main(["probe", target]) == 0


@pytest.mark.slow
def test_json_is_one_document(mine, capsys):
    mine.write_text(MINE + "\n\nattention.conventions = {'empty_rows': 'nan'}\n")
    assert main(["probe", f"{mine}:attention", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"version", "target", "found", "declaration", "matches"} and not document["matches"]
    row = next(row for row in document["found"] if row["name"] == "empty_rows")
    assert (row["value"], row["held_to"], row["declared"], row["verdict"]) == ("uniform", "nan", True, REFUTED)
    assert document["declaration"]["conventions"]["causal_alignment"] == "bottom-right"


def test_a_function_that_answers_nothing_ends_soon(mine, capsys):
    mine.write_text("def attention(q, k, v):\n    raise TypeError('tensors only')\n")
    assert main(["probe", f"{mine}:attention"]) == 3
    assert "no plain call was answered" in capsys.readouterr().out


@pytest.mark.slow
def test_a_crash_and_a_hang_end_one_experiment_only(mine):
    crash = "    import os, time\n    if is_causal:\n        os._exit(3)\n    if len(q) == 7:\n        time.sleep(60)\n"
    mine.write_text(MINE.replace('float32 or better."""\n', 'float32 or better."""\n' + crash))
    report = probe.probe(resolve([f"{mine}:attention"])[0], 0, Limits(seconds=2))
    observations = {f.name: f for f in report.observations}
    assert observations["causal_alignment"].evidence.startswith("crashed")
    assert observations["batch_invariant"].evidence.startswith("timed-out")
    assert observations["empty_rows"].value == "uniform"

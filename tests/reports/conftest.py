"""A made-up run, with every kind of outcome, to write reports about."""

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from attention_reports import write_table

IMPLEMENTATIONS = {
    "numpy-eager": "numpy", "numpy-online": "numpy", "torch-eager": "torch", "torch-sdpa-math": "torch", "torch-sdpa-flash": "torch",
    "torch-flex": "torch", "torch-chunked": "torch", "jax-einsum": "jax", "jax-nn": "jax", "jax-scan": "jax", "numpy-multi-head": "numpy",
    "torch-multi-head": "torch", "torch-cuda-sdpa-flash": "torch", "torch-cuda-sdpa-cudnn": "torch",
}  # fmt: skip
PROPERTIES = """weights_sum_to_one output_has_the_shape_of_the_definition output_has_the_dtype_of_the_query matches_the_definition
masked_keys_have_no_influence a_full_mask_is_no_mask causal_is_a_mask a_window_is_a_mask key_lengths_are_a_mask
broadcast_masks_are_their_dense_form minus_infinity_in_the_bias_masks empty_rows_give_zeros shifting_all_scores_changes_nothing
scaling_values_scales_the_output a_power_of_two_in_v_is_exact output_lies_between_the_values constant_values_come_back
one_visible_key_returns_its_value permuting_keys_changes_nothing permuting_queries_permutes_rows a_batch_is_its_rows
heads_are_independent grouped_heads_share_their_key_head scale_zero_is_the_mean negative_scale_is_honoured
splitting_keys_and_merging_is_exact_enough duplicated_keys_share_their_weight strides_change_nothing read_only_inputs_stay
inputs_are_left_as_they_were the_same_call_twice_is_identical a_late_maximum_is_not_lost large_scores_do_not_overflow
subnormal_values_survive garbage_in_padding_is_ignored nan_in_a_masked_value_stays_out lengths_of_zero_are_fine
softcap_comes_before_the_mask sinks_take_weight_and_give_nothing the_log_sum_is_natural gradients_match_finite_differences
the_gradient_of_a_masked_key_is_zero the_mean_error_has_no_sign cross_lengths_align_top_left
projections_are_applied_per_head""".split()  # noqa: SIM905
DTYPES = ["float64", "float32", "bfloat16", "float16"]
WORKLOADS = {
    "gpt2-small": "GPT-2 small, 12 heads x 64, length 512, causal", "decode": "one query against 2048 keys, 8 heads x 128",
    "grouped": "32 query heads over 8 key heads, length 256", "window": "length 1024, window of 128",
}  # fmt: skip
ABSENT = {"torch-cuda-sdpa-flash", "torch-cuda-sdpa-cudnn"}
MESSAGE = (
    "out[0,2,5,1]=0.3172, but should be 0.2914 within 0.0011"
    " [batch=1 query_heads=4 key_heads=2 query_length=7 key_length=9 dim=8 causal float16]"
)
WRONG = {
    ("torch-flex", "nan_in_a_masked_value_stays_out"): "violates",
    ("torch-chunked", "a_window_is_a_mask"): "violates",
    ("torch-chunked", "lengths_of_zero_are_fine"): "crashed",
    ("jax-scan", "lengths_of_zero_are_fine"): "errored",
    ("jax-scan", "large_scores_do_not_overflow"): "timed-out",
}


def check_row(name: str, framework: str, prop: str, place: int, dtype: str, outcome: str, **more: Any) -> dict[str, Any]:
    """One row of checks.parquet."""
    spec = "multi-head" if name.endswith("multi-head") else "attention"
    ratio = {"violates": 23.4, "agrees": 0.0 if place % 3 == 0 else 0.04 + (place * 7 % 60) / 100}.get(outcome, math.nan)
    tried = outcome not in {"unsupported", "unavailable"}
    return {
        "implementation": name, "framework": framework, "version": "2.13.0", "device": "cpu", "dtype": dtype, "spec": spec,
        "property": prop, "clause": f"P{place}", "outcome": outcome, "cases": 100 * tried, "vacuous": 3 * tried, "worst_ratio": ratio,
        "seconds": 0.01 * place * tried, "case": "", "message": "", "replay": "", **more,
    }  # fmt: skip


def realistic_checks() -> list[dict[str, Any]]:
    """Fourteen implementations, two of them absent, three of them wrong in their own ways."""
    rows = []
    for name, framework in IMPLEMENTATIONS.items():
        if name in ABSENT:
            rows.append(check_row(name, framework, "", 0, "", "unavailable", clause="", message="no CUDA device"))
            continue
        for place, prop in enumerate(PROPERTIES, 1):
            rows += [_realistic_row(name, framework, prop, place, dtype) for dtype in DTYPES]
    return rows


def _realistic_row(name: str, framework: str, prop: str, place: int, dtype: str) -> dict[str, Any]:
    outcome, more = WRONG.get((name, prop), "agrees"), {}
    if outcome == "violates" and dtype in {"float64", "float32"}:
        outcome = "agrees"
    if "softcap" in prop and name not in {"numpy-eager", "torch-flex", "jax-einsum"}:
        outcome, more = "unsupported", {"message": "it has no option softcap, which nothing else can stand for"}
    if framework == "jax" and dtype == "float16":
        outcome, more = "unsupported", {"message": "float16 is not among its dtypes"}
    if prop.startswith("sinks") and name.startswith("numpy") and outcome == "agrees":
        outcome = "vacuous"
    if outcome in {"violates", "crashed", "errored", "timed-out"}:
        case = f"{name}-{place}"
        message = (
            MESSAGE if outcome == "violates" else f"process={outcome}, but should be an answer [query_length=0 key_length=4]"
        )
        more = {"case": case, "message": message, "replay": f"attention-harness replay cases/{case}.json {name}"}
    return check_row(name, framework, prop, place, dtype, outcome, **more)


def timing_rows(names: list[str]) -> list[dict[str, Any]]:
    """Timings with every verdict; the numbers come from a seeded generator."""
    draw, rows = random.Random(1), []
    for workload, description in WORKLOADS.items():
        for dtype in ("float32", "bfloat16")[: 1 + (workload == "gpt2-small")]:
            for place, name in enumerate(names):
                ratio = 1.0 if place == 0 else math.exp(draw.gauss(-0.5, 0.6))
                width = 1 + draw.choice([0.01, 0.02, 0.05, 0.25]) * (place > 0)
                low, high = ratio / width, ratio * width
                verdict = "BASELINE" if place == 0 else "FASTER" if high < 0.95 else "SLOWER" if low > 1.05 else "UNRESOLVED"
                verdict = "SAME" if low >= 0.95 and high <= 1.05 and place else verdict
                rows.append(_timing_row(name, workload, description, dtype, ratio, low, high, verdict))
    return rows


def _timing_row(
    name: str, workload: str, description: str, dtype: str, ratio: float, low: float, high: float, verdict: str
) -> dict[str, Any]:
    invalid = name == "torch-chunked"
    median = math.nan if invalid else 0.0123 * ratio
    return {
        "implementation": name, "framework": IMPLEMENTATIONS.get(name, "torch"), "device": "cpu", "workload": workload, "dtype": dtype,
        "direction": "forward", "median": median, "ratio": math.nan if invalid else ratio, "ratio_low": low, "ratio_high": high,
        "verdict": "INVALID" if invalid else verdict, "reason": "it violates a_window_is_a_mask" if invalid else "", "gflops": 12.5 / ratio,
        "peak_memory": 3.2e6 * (1 + ratio), "compile_seconds": 0.8 if name.startswith("jax") else math.nan, "rounds": 15, "samples": 90,
        "minimum": median * 0.97, "baseline": "numpy-eager", "smallest_detectable": 0.07, "q1": median * 0.98, "q3": median * 1.03,
        "description": description, **_further(name, dtype, median, 12.5 / ratio),
    }  # fmt: skip


def _further(name: str, dtype: str, median: float, gflops: float) -> dict[str, Any]:
    """The columns of a run that measured everything: a machine of 60 GFLOP/s and 12 GB/s."""
    jax = name.startswith("jax")
    return {
        "error": 10.0 ** (-2.5 - 4 * (dtype == "float32")) * (1 + len(name) % 5), "bytes": gflops * 1e9 * median / (2 + 3 * (len(name) % 4)),
        "machine_gflops": 60.0, "bandwidth": 12e9, "machine_peak": gflops / 60, "own_peak": gflops / 45, "p_value": 0.003,
        "first_call": median + 0.8 * jax, "break_even": {"jax-nn": math.inf, "jax-einsum": 41.2}.get(name, math.nan),
        "sweep": "", "varied": "", "value": math.nan,
    }  # fmt: skip


def sweep_rows(names: list[str], sweep: str = "length", direction: str = "forward") -> list[dict[str, Any]]:
    """A sweep over the length: times grow with the power 2, 1.9, ... and a little noise, memory with 2 or 1."""
    draw, rows = random.Random(3), []
    for length in (128, 256, 512, 1024, 2048):
        for place, name in enumerate(names):
            ratio = 1.0 if place == 0 else (length / 128) ** (-place / 10) * math.exp(draw.gauss(0, 0.03))
            verdict = "BASELINE" if place == 0 else "UNRESOLVED" if ratio > 0.9 else "FASTER"
            label = f"A text that grows: {sweep}-{length}"
            row = _timing_row(name, f"{sweep}-{length}", label, "float32", ratio, ratio / 1.1, ratio * 1.1, verdict)
            time = row["median"] * (length / 128) ** 2
            times = {"median": time, "q1": 0.9 * time, "q3": 1.2 * time, "peak_memory": 64.0 * length ** (1 + place % 2)}
            rows.append({**row, **times, "sweep": sweep, "varied": "length", "value": float(length), "direction": direction})
    return rows


def agreement_rows(names: list[str]) -> list[dict[str, Any]]:
    """Every pair once; one implementation is far from all others."""
    draw = random.Random(2)
    pairs = [(a, b) for place, a in enumerate(names) for b in names[:place]]
    far = {"torch-chunked": 24.0}
    return [
        {"a": a, "b": b, "spec": "attention", "cases": 400, "worst_ratio": far.get(a, far.get(b, 0)) + draw.random(), "case": ""}
        for a, b in pairs
    ]


def run_metadata(**more: Any) -> dict[str, Any]:
    """run.json of a run that was completed."""
    declared = [
        {
            "name": name, "framework": framework, "version": "2.13.0", "device": "cuda" if name in ABSENT else "cpu",
            "spec": "attention", "available": name not in ABSENT, "reason": "no CUDA device" if name in ABSENT else "",
            "summary": f"{name}, in one line.", "options": ["mask", "bias", "is_causal", "scale"], "lowered": ["window -> mask"],
            "dtypes": DTYPES, "precision": {"float32": "exact", "bfloat16": "weights-rounded" if "flash" in name else "scores-rounded"},
            "conventions": {"empty_rows": "nan" if name == "jax-nn" else "zeros", "causal_alignment": "top-left", "deterministic": True},
        }
        for name, framework in IMPLEMENTATIONS.items()
    ]  # fmt: skip
    expected = [[0.4731, 0.1202, -0.3318, 0.9001], [0.2213, 0.5108, 0.0071, 0.6120], [0.3302, 0.2809, -0.1127, 0.7444]]
    names = ["numpy-eager", "torch-sdpa-flash", "jax-nn"]
    return {
        "schema": 1, "arguments": {"command": "run", "examples": 100}, "command_line": "attention-harness run --quick", "seed": 0,
        "started": "2026-11-22T21:30:00+00:00", "seconds": 80.1, "complete": True,
        "environment": {
            "python": "3.11.7", "platform": "Linux x86_64", "cpu": "AMD EPYC", "cores": 2, "memory_gib": 23.5, "load": [1.2, 1.0, 0.9],
            "packages": {"numpy": "2.4.6", "torch": "2.13.0+cpu", "jax": "0.9.2"}, "variables": {"OMP_NUM_THREADS": "1"},
            "extended_precision": "longdouble, 64-bit significand",
        },
        "implementations": declared,
        "properties": [
            {"name": name, "clause": f"P{place}", "spec": "attention", "summary": f"The property that {name.replace('_', ' ')}."}
            for place, name in enumerate(PROPERTIES, 1)
        ],
        "worked_example": {
            "source": "Three words, one head of four dimensions, computed by hand in the specification.",
            "words": ["she", "likes", "coffee"], "expected": expected, "got": dict.fromkeys(names, expected),
            "deviation": {"numpy-eager": 0, "torch-sdpa-flash": 2.2e-16, "jax-nn": 4.1e-16},
        },
        "noise": {"floor": 0.05, "aa_half_width": 0.012, "load": 1.2}, "notes": ["2 implementations did not run: no CUDA device"], **more,
    }  # fmt: skip


def precision_rows(names: list[str]) -> list[dict[str, Any]]:
    """Two models of two dtypes: what is declared is met, but that the first is met by a tighter one and the last by none."""
    rows = []
    for place, name in enumerate(names):
        for dtype in ("float32", "bfloat16"):
            for model, worst in (
                ("exact", 0.2 if place == 0 else 30.0),
                ("scores-rounded", 7.5 if place == len(names) - 1 else 0.1),
            ):
                met = worst <= 1 and (model == "exact" or place > 0)
                rows.append({
                    "implementation": name, "framework": "numpy", "spec": "attention", "dtype": dtype, "model": model,
                    "declared": model == "scores-rounded", "tightest": met, "cases": 40, "elements": 1234, "median": worst / 10,
                    "q99": worst / 2, "worst": worst, "beside_eager": 1.5 if dtype == "bfloat16" else float("nan"),
                })  # fmt: skip
    return rows


def coverage_rows() -> list[dict[str, Any]]:
    """Where the cases fell; one value was never tried."""
    regions = {
        "mask": {"none": 310, "causal": 280, "window": 120, "padding": 150, "random": 200, "empty rows": 64},
        "query length": {"0": 20, "1": 90, "2^k - 1": 160, "2^k": 310, "2^k + 1": 170},
        "recipe": {"normal": 400, "ties": 90, "rising scores": 120, "near overflow": 60, "subnormals": 0},
    }
    return [{"region": region, "value": value, "cases": n} for region, values in regions.items() for value, n in values.items()]


def profile_rows(names: list[str]) -> list[dict[str, Any]]:
    """Seconds of each check by part; nothing was compiled."""
    parts = {"oracle": 1.5, "bounds": 2.25, "first calls": 0.0, "calls": 4.0}
    more = [(n, name, part, seconds) for n, name in enumerate(names, 1) for part, seconds in parts.items()]
    return [{"implementation": i, "part": p, "meaning": f"what {p} are", "seconds": s * n} for n, i, p, s in more]


def save(folder: Path, metadata: dict[str, Any] | None = None, **frames: list[dict[str, Any]]) -> Path:
    """A run folder that holds this metadata and these frames, and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(run_metadata() if metadata is None else metadata), encoding="utf-8")
    for name, rows in frames.items():
        write_table(folder, name, pd.DataFrame(rows))
    return folder


def save_case(folder: Path, name: str, **more: Any) -> None:
    """The record of a minimal failing case with a picture of it."""
    mask = [[int(j <= i and i - j < 4) for j in range(9)] for i in range(7)]
    error = [[30.0 if i > 3 and j % 2 else 0.2 for j in range(8)] for i in range(7)]
    problem = {
        "batch": 1, "query_heads": 4, "key_heads": 2, "query_length": 7, "key_length": 9, "dim": 8, "dtype": "float16", "mask": "window(3,0)",
    }  # fmt: skip
    picture = {"mask": mask, "error": error}
    record = {"property": "p", "target": "t", "message": MESSAGE, "problem": problem, "picture": picture} | more
    (folder / "cases").mkdir(exist_ok=True)
    (folder / "cases" / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")


def realistic(folder: Path) -> Path:
    """A complete run with every file."""
    names = [name for name in IMPLEMENTATIONS if name not in ABSENT and not name.endswith("multi-head")]
    rows = realistic_checks()
    save(
        folder,
        checks=rows,
        agreement=agreement_rows(names),
        coverage=coverage_rows(),
        profile=profile_rows(names),
        precision=precision_rows(names[:5]),
        timings=[*timing_rows(names[:9]), *sweep_rows(names[:5]), *sweep_rows(names[:3], "backward", "forward+backward")],
    )
    for row in rows:
        if row["case"]:
            save_case(folder, row["case"])
    return folder


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run; tests only read it."""
    return realistic(tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """`make_run(metadata, checks=[...], ...)` writes a run of one's own and returns its folder."""
    return lambda metadata=None, **frames: save(tmp_path / "run", metadata, **frames)


@pytest.fixture
def row() -> Callable[..., dict[str, Any]]:
    """`row("name", "property", outcome, ...)`: one row of checks."""
    return lambda name, prop, outcome, **more: {**check_row(name, "torch", prop, 1, "float32", outcome), **more}


@pytest.fixture
def grown() -> Callable[..., list[dict[str, Any]]]:
    """`grown("name", exponent, ...)`: three timings of a sweep that follow a power law, in memory with the power 1."""

    def rows(name: str, exponent: float, **more: Any) -> list[dict[str, Any]]:
        own = {"implementation": name, "sweep": "s", "varied": "length", "direction": "forward", **more}
        return [{**own, "value": n, "workload": f"s-{n}", "median": n**exponent, "peak_memory": 8.0 * n} for n in (64, 128, 256)]

    return rows

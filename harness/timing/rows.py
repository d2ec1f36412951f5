"""From what was measured to the rows of the table `timings`, and to a sentence about how far to trust them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import median
from typing import Any

from harness.timing.found import TWIN, Found
from harness.timing.statistics import Interval, interval, paired, summary
from harness.timing.verdicts import LEAST_FLOOR, decide, noise_floor
from specs.contract import Description

COLUMNS = (
    "implementation", "framework", "device", "workload", "dtype", "direction", "median", "ratio", "ratio_low", "ratio_high",
    "verdict", "reason", "gflops", "peak_memory", "compile_seconds", "rounds", "samples", "minimum", "q1", "q3", "baseline",
    "smallest_detectable", "description",
)  # fmt: skip
NAN = float("nan")
MORE_THAN_ONE = 1.2
"""Processors; clocks tick in 10 ms, so a single thread may look like a little more."""


@dataclass(frozen=True)
class Judged:
    """The rows of one workload, and the interval of the baseline against itself."""

    workload: str
    rows: list[dict[str, Any]]
    same: Interval


def of_workload(found: Found, descriptions: Mapping[str, Description], wanted: str) -> Judged:
    """One row per implementation; INVALID and UNSUPPORTED ones have a reason and no times."""
    timed = [name for name in descriptions if name not in found.lost and found.samples(name)]
    baseline = wanted if wanted in timed else next(iter(timed), "")
    same = against(found, TWIN, baseline)
    return Judged(found.workload.name, [_row(found, d, timed, baseline, same) for d in descriptions.values()], same)


def against(found: Found, name: str, baseline: str) -> Interval:
    """The interval of candidate / baseline over the rounds in which both ran; the twin only counts beside its original."""
    laps = [lap for lap in found.laps if name != TWIN or lap.baseline == baseline]
    pairs = [(lap.ran.seconds.get(name), lap.ran.seconds.get(baseline)) for lap in laps]
    return interval([paired(own, base) for own, base in pairs if own and base])


def _row(found: Found, d: Description, timed: Sequence[str], baseline: str, same: Interval) -> dict[str, Any]:
    verdict = _verdict(found, d.name, baseline, same) if d.name in timed else _absence(found, d.name)
    facts = {"implementation": d.name, "framework": d.framework, "device": d.device, "baseline": baseline}
    own = {"workload": found.workload.name, "dtype": found.workload.problem.dtype, "direction": "forward"}
    row = facts | own | _times(found, d.name) | verdict | {"description": found.workload.description}
    return {column: row[column] for column in COLUMNS}


def _absence(found: Found, name: str) -> dict[str, Any]:
    verdict, reason = found.lost.get(name, ("INVALID", "no round was finished"))
    unknown = dict.fromkeys(("ratio", "ratio_low", "ratio_high", "smallest_detectable"), NAN)
    return unknown | {"verdict": verdict, "reason": reason}


def _verdict(found: Found, name: str, baseline: str, same: Interval) -> dict[str, Any]:
    if name == baseline:
        ratios = dict.fromkeys(("ratio", "ratio_low", "ratio_high"), 1.0)
        return ratios | {"verdict": "BASELINE", "reason": "", "smallest_detectable": noise_floor(same)}
    ratio = against(found, name, baseline)
    decision = decide(ratio, same)
    shown = {"verdict": decision.verdict, "reason": decision.reason, "smallest_detectable": decision.smallest_detectable}
    return {"ratio": ratio.ratio, "ratio_low": ratio.low, "ratio_high": ratio.high} | shown


def _times(found: Found, name: str) -> dict[str, Any]:
    samples = [] if name in found.lost else found.samples(name)
    shown = summary(samples)
    return {
        "median": shown.median, "minimum": shown.minimum, "q1": shown.q1, "q3": shown.q3,
        "gflops": flops(found) / shown.median / 1e9,
        "peak_memory": found.memory.get(name, NAN) if samples else NAN,
        "compile_seconds": median(found.compiling[name]) if samples else NAN,
        "rounds": sum(name in lap.ran.seconds for lap in found.laps) if samples else 0,
        "samples": len(samples),
    }  # fmt: skip


def flops(found: Found) -> int:
    """Floating-point operations that count: 2 D for each visible score and 2 Dv for its value; 4 D where the two are equal."""
    problem = found.workload.problem
    return (2 * problem.head_dim + 2 * problem.value_dim) * found.pairs


def noise(judged: Sequence[Judged], founds: Sequence[Found], load: float) -> dict[str, Any]:
    """The worst workload's floor and A/A half width, the load, and one sentence; each workload's own under `workloads`."""
    measured = {one.workload: one.same for one in judged if isfinite(one.same.half)}
    widths = {name: same.half_width for name, same in measured.items()}
    floors = {name: noise_floor(same) for name, same in measured.items()}
    laps = [lap.ran for found in founds for lap in found.laps]
    others = median([ran.others for ran in laps]) if laps else NAN
    cores = median([ran.cores for ran in laps]) if laps else NAN
    facts = {"load": load, "others": others, "cores": cores, "floor": max(floors.values(), default=LEAST_FLOOR)}
    trust = _trust(widths, others, cores, sum(len(found.unsteady) for found in founds))
    own = {name: {"floor": floors[name], "aa_half_width": widths[name], "aa_ratio": measured[name].ratio} for name in measured}
    return facts | {"aa_half_width": max(widths.values(), default=NAN), "trust": trust, "workloads": own}


def _trust(widths: Mapping[str, float], others: float, cores: float, unsteady: int) -> str:
    if not widths:
        return "The noise of this machine was not measured: nothing was timed often enough."
    worst = max(widths, key=lambda name: widths[name])
    parts = [f"The same code against itself differs by up to {widths[worst]:.1%} ({worst})"]
    parts += [f"other processes used {others:.0%} of the machine"]
    parts += [f"the timed process used {cores:.1f} processors, though one was asked for"] if cores > MORE_THAN_ONE else []
    parts += [f"{unsteady} warm-ups ended before calls took a steady time"] if unsteady else []
    return "; ".join(parts) + "."

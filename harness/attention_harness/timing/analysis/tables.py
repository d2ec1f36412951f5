"""From what was measured to the rows of the tables `timings` and `rounds`, and to a sentence about how far to trust them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import median
from typing import Any

from attention_harness.timing.analysis.figures import figures
from attention_harness.timing.analysis.measurements import TWIN, Measurements, against
from attention_harness.timing.analysis.statistics import Interval, discoveries, paired, summary
from attention_harness.timing.analysis.verdicts import LEAST_FLOOR, decide, noise_floor
from attention_specs.contract import Description

COLUMNS = (
    "implementation", "framework", "device", "workload", "dtype", "direction", "median", "ratio", "ratio_low", "ratio_high",
    "verdict", "reason", "gflops", "peak_memory", "compile_seconds", "rounds", "samples", "minimum", "q1", "q3", "baseline",
    "smallest_detectable", "p_value", "cold", "first_call", "break_even", "error", "bytes", "own_peak", "machine_peak",
    "machine_gflops", "bandwidth", "sweep", "varied", "value", "description",
)  # fmt: skip
NAN = float("nan")
MORE_THAN_ONE = 1.2
"""Processors; clocks tick in 10 ms, so a single thread may look like a little more."""


@dataclass(frozen=True)
class WorkloadResult:
    """One workload before it is judged: who has times, beside which baseline, and the baseline against itself."""

    found: Measurements
    descriptions: Mapping[str, Description]
    baseline: str
    same: Interval
    ratios: Mapping[str, Interval]

    @classmethod
    def of(cls, found: Measurements, descriptions: Mapping[str, Description], wanted: str) -> WorkloadResult:
        """The baseline is the one that is wanted, else the first that has times."""
        timed = [name for name in descriptions if name not in found.lost and found.samples(name)]
        baseline = wanted if wanted in timed else next(iter(timed), "")
        ratios = {name: against(found.laps, name, baseline) for name in timed}
        return cls(found, descriptions, baseline, against(found.laps, TWIN, baseline), ratios)

    def rows(self, significant: float) -> list[dict[str, Any]]:
        """One row per implementation; INVALID and UNSUPPORTED ones, and those whose honesty is undecided, have a reason and no times."""
        return [self._row(description, significant) for description in self.descriptions.values()]

    def _row(self, d: Description, significant: float) -> dict[str, Any]:
        found, timed = self.found, d.name in self.ratios
        verdict = self._verdict(d.name, significant) if timed else _absence(found, d.name)
        facts = {"implementation": d.name, "framework": d.framework, "device": d.device, "baseline": self.baseline}
        own = {name: getattr(found.workload, name) for name in ("direction", "sweep", "varied", "value", "description")}
        own |= {"workload": found.workload.name, "dtype": found.workload.problem.dtype}
        times = _times(found, d.name, timed) | figures(found, d.name, self.baseline, timed)
        row = facts | own | times | verdict
        return {column: row[column] for column in COLUMNS}

    def _verdict(self, name: str, significant: float) -> dict[str, Any]:
        if name == self.baseline:
            ratios = dict.fromkeys(("ratio", "ratio_low", "ratio_high", "p_value"), 1.0)
            return ratios | {"verdict": "BASELINE", "reason": "", "smallest_detectable": noise_floor(self.same)}
        ratio = self.ratios[name]
        decision = decide(ratio, self.same, significant)
        shown = {"verdict": decision.verdict, "reason": decision.reason, "smallest_detectable": decision.smallest_detectable}
        return {"ratio": ratio.ratio, "ratio_low": ratio.low, "ratio_high": ratio.high, "p_value": ratio.p_value} | shown


def judge(measured: Sequence[WorkloadResult]) -> list[dict[str, Any]]:
    """The rows of all workloads. Each comparison counts as one of many: see `significant`."""
    level = significant(measured)
    return [row for one in measured for row in one.rows(level)]


def significant(measured: Sequence[WorkloadResult]) -> float:
    """The p-value up to which a comparison of this session counts, so that 5 % of those that count are false on average."""
    return discoveries(p_values(measured))


def p_values(measured: Sequence[WorkloadResult]) -> list[float]:
    """One for each comparison with a baseline."""
    return [ratio.p_value for one in measured for name, ratio in one.ratios.items() if name != one.baseline]


def _absence(found: Measurements, name: str) -> dict[str, Any]:
    verdict, reason = found.lost.get(name, ("INVALID", "no round was finished"))
    unknown = dict.fromkeys(("ratio", "ratio_low", "ratio_high", "p_value", "smallest_detectable"), NAN)
    return unknown | {"verdict": verdict, "reason": reason}


def _times(found: Measurements, name: str, timed: bool) -> dict[str, Any]:
    samples = found.samples(name) if timed else []
    shown = summary(samples)
    return {
        "median": shown.median, "minimum": shown.minimum, "q1": shown.q1, "q3": shown.q3,
        "cold": summary([cold for lap in found.laps for cold in lap.ran.cold.get(name, [])] if timed else []).median,
        "peak_memory": found.memory.get(name, NAN) if timed else NAN,
        "compile_seconds": median(found.compiling[name]) if timed else NAN,
        "first_call": median(found.first_calls[name]) if timed else NAN,
        "rounds": sum(name in lap.ran.seconds for lap in found.laps) if timed else 0,
        "samples": len(samples),
    }  # fmt: skip


def rounds(founds: Sequence[Measurements]) -> list[dict[str, Any]]:
    """One row for each candidate in each round, judged or not: what everything else follows from."""
    return [
        {
            "workload": found.workload.name, "implementation": name, "process": lap.replica, "round": number,
            "seconds": median(seconds), "fastest": min(seconds), "cold": median(lap.ran.cold[name]), "samples": len(seconds),
            "log_ratio": paired(seconds, lap.ran.seconds[lap.baseline]), "others": lap.ran.others, "cores": lap.ran.cores,
        }
        for found in founds for number, lap in enumerate(found.laps) for name, seconds in lap.ran.seconds.items()
    ]  # fmt: skip


def noise(judged: Sequence[WorkloadResult], load: float) -> dict[str, Any]:
    """The worst workload's floor and A/A half width, the load, and one sentence; each workload's own under `workloads`."""
    founds = [one.found for one in judged]
    measured = {one.found.workload.name: one.same for one in judged if isfinite(one.same.half)}
    widths = {name: same.half_width for name, same in measured.items()}
    floors = {name: noise_floor(same) for name, same in measured.items()}
    laps = [lap.ran for found in founds for lap in found.laps]
    others = median([ran.others for ran in laps]) if laps else NAN
    cores = median([ran.cores for ran in laps]) if laps else NAN
    inside, whole = (sum(getattr(ran, name) for ran in laps) for name in ("inside", "whole"))
    facts = {"load": load, "others": others, "cores": cores, "floor": max(floors.values(), default=LEAST_FLOOR)}
    facts |= {"overhead": whole / inside - 1 if inside else NAN, "significant": significant(judged)}
    facts |= {"comparisons": len(p_values(judged))}
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

"""Rows of the tables `timings` and `rounds`, and a sentence about the noise of the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import median

from attention_harness.timing.analysis.figures import figures
from attention_harness.timing.analysis.measurements import TWIN, Measurements, against
from attention_harness.timing.analysis.statistics import Interval, discoveries, paired, summary
from attention_harness.timing.analysis.stopping import level_of
from attention_harness.timing.analysis.verdicts import LEAST_FLOOR, decide, noise_floor
from attention_specs.contract import Description

COLUMNS = (
    "implementation", "framework", "device", "workload", "dtype", "direction", "median", "ratio", "ratio_low", "ratio_high",
    "verdict", "reason", "gflops", "peak_memory", "compile_seconds", "rounds", "samples", "minimum", "q1", "q3", "baseline",
    "smallest_detectable", "p_value", "cold", "first_call", "break_even", "error", "bytes", "own_peak", "machine_peak",
    "machine_gflops", "bandwidth", "sweep", "varied", "value", "description",
)  # fmt: skip
NAN = float("nan")

Row = dict[str, str | float]
"""A row of a table: column -> word or number."""

MORE_THAN_ONE = 1.2
"""Processors; clocks tick in 10 ms, so a single thread may look like a little more."""


@dataclass(frozen=True)
class WorkloadResult:
    """One workload before the verdicts: its baseline, the ratios to it, and the baseline against itself."""

    measurements: Measurements
    descriptions: Mapping[str, Description]
    baseline: str
    same: Interval
    ratios: Mapping[str, Interval]

    @classmethod
    def from_measurements(
        cls, measurements: Measurements, descriptions: Mapping[str, Description], wanted: str
    ) -> WorkloadResult:
        """The baseline is the wanted one, else the first that has times."""
        timed = [name for name in descriptions if name not in measurements.lost and measurements.samples(name)]
        baseline = wanted if wanted in timed else next(iter(timed), "")
        ratios = {name: against(measurements.laps, name, baseline, level_of(measurements, name)) for name in (*timed, TWIN)}
        return cls(measurements, descriptions, baseline, ratios.pop(TWIN), ratios)

    def rows(self, significant: float) -> list[Row]:
        """One row per implementation; INVALID and UNSUPPORTED ones, and those whose honesty is undecided, have a reason and no times."""
        return [self._row(description, significant) for description in self.descriptions.values()]

    def _row(self, d: Description, significant: float) -> Row:
        measurements, timed = self.measurements, d.name in self.ratios
        verdict = self._verdict(d.name, significant) if timed else _absence(measurements, d.name)
        identity = {"implementation": d.name, "framework": d.framework, "device": d.device, "baseline": self.baseline}
        own: Row = {
            name: getattr(measurements.workload, name) for name in ("direction", "sweep", "varied", "value", "description")
        }
        own |= {"workload": measurements.workload.name, "dtype": measurements.workload.problem.dtype}
        times = _times(measurements, d.name, timed) | figures(measurements, d.name, self.baseline, timed)
        row = identity | own | times | verdict
        return {column: row[column] for column in COLUMNS}

    def _verdict(self, name: str, significant: float) -> Row:
        if name == self.baseline:
            ratios: Row = dict.fromkeys(("ratio", "ratio_low", "ratio_high", "p_value"), 1.0)
            return ratios | {"verdict": "BASELINE", "reason": "", "smallest_detectable": noise_floor(self.same)}
        ratio = self.ratios[name]
        decision = decide(ratio, self.same, significant)
        judgement: Row = {"verdict": decision.verdict, "reason": decision.reason}
        judgement |= {"smallest_detectable": decision.smallest_detectable}
        return {"ratio": ratio.ratio, "ratio_low": ratio.low, "ratio_high": ratio.high, "p_value": ratio.p_value} | judgement


def judge(results: Sequence[WorkloadResult]) -> list[Row]:
    """The rows of all workloads. Each comparison counts as one of many: see `significant`."""
    level = significant(results)
    return [row for one in results for row in one.rows(level)]


def significant(results: Sequence[WorkloadResult]) -> float:
    """The p-value up to which a comparison of this session counts, so that 5 % of those that count are false on average."""
    return discoveries(p_values(results))


def p_values(results: Sequence[WorkloadResult]) -> list[float]:
    """One for each comparison with a baseline."""
    return [ratio.p_value for one in results for name, ratio in one.ratios.items() if name != one.baseline]


def _absence(measurements: Measurements, name: str) -> Row:
    verdict, reason = measurements.lost.get(name, ("INVALID", "no round was finished"))
    unknown = dict.fromkeys(("ratio", "ratio_low", "ratio_high", "p_value", "smallest_detectable"), NAN)
    return unknown | {"verdict": verdict, "reason": reason}


def _times(measurements: Measurements, name: str, timed: bool) -> Row:
    samples = measurements.samples(name) if timed else []
    times = summary(samples)
    return {
        "median": times.median, "minimum": times.minimum, "q1": times.q1, "q3": times.q3,
        "cold": summary([cold for lap in measurements.laps for cold in lap.result.cold.get(name, [])] if timed else []).median,
        "peak_memory": measurements.memory.get(name, NAN) if timed else NAN,
        "compile_seconds": median(measurements.compiling[name]) if timed else NAN,
        "first_call": median(measurements.first_calls[name]) if timed else NAN,
        "rounds": sum(name in lap.result.seconds for lap in measurements.laps) if timed else 0,
        "samples": len(samples),
    }  # fmt: skip


def rounds(by_workload: Sequence[Measurements]) -> list[Row]:
    """One row for each candidate in each round, judged or not; all else follows from them."""
    return [
        {
            "workload": measurements.workload.name, "implementation": name, "process": lap.replica, "round": number,
            "seconds": median(seconds), "fastest": min(seconds), "cold": median(lap.result.cold[name]), "samples": len(seconds),
            "log_ratio": paired(seconds, lap.result.seconds[lap.baseline]), "others": lap.result.others, "cores": lap.result.cores,
        }
        for measurements in by_workload for number, lap in enumerate(measurements.laps) for name, seconds in lap.result.seconds.items()
    ]  # fmt: skip


def noise(results: Sequence[WorkloadResult], load: float) -> dict[str, object]:
    """The worst workload's floor and A/A half width, the load, and one sentence; each workload's own under `workloads`."""
    by_workload = [one.measurements for one in results]
    same_code = {one.measurements.workload.name: one.same for one in results if isfinite(one.same.half)}
    widths = {name: same.half_width for name, same in same_code.items()}
    floors = {name: noise_floor(same) for name, same in same_code.items()}
    laps = [lap.result for measurements in by_workload for lap in measurements.laps]
    others = median([result.others for result in laps]) if laps else NAN
    cores = median([result.cores for result in laps]) if laps else NAN
    in_calls, whole = (sum(getattr(result, name) for result in laps) for name in ("in_calls", "whole"))
    entry = {"load": load, "others": others, "cores": cores, "floor": max(floors.values(), default=LEAST_FLOOR)}
    entry |= {"overhead": whole / in_calls - 1 if in_calls else NAN, "significant": significant(results)}
    entry |= {"comparisons": len(p_values(results))}
    trust = _trust(widths, others, cores, sum(len(measurements.unsteady) for measurements in by_workload))
    own = {name: {"floor": floors[name], "aa_half_width": widths[name], "aa_ratio": same_code[name].ratio} for name in same_code}
    return entry | {"aa_half_width": max(widths.values(), default=NAN), "trust": trust, "workloads": own}


def _trust(widths: Mapping[str, float], others: float, cores: float, unsteady: int) -> str:
    if not widths:
        return "The noise of this machine was not measured: nothing was timed often enough."
    worst = max(widths, key=lambda name: widths[name])
    parts = [f"The same code against itself differs by up to {widths[worst]:.1%} ({worst})"]
    parts += [f"other processes used {others:.0%} of the machine"]
    parts += [f"the timed process used {cores:.1f} processors, though one was asked for"] if cores > MORE_THAN_ONE else []
    parts += [f"{unsteady} warm-ups ended before calls took a steady time"] if unsteady else []
    return "; ".join(parts) + "."

"""Timings of two runs: did the ratio to the baseline change?

Both runs measured time / baseline's time in rounds of their own, which takes out what the machine did meanwhile. The runs are
independent, so that the half widths of their 95 % intervals add in squares on the logarithmic scale. All is decided on that
scale, where exchanging the runs changes a sign and nothing else.
"""

from math import exp, expm1, inf, isfinite, log, log1p, nan, sqrt

import pandas as pd

from attention_reports.cells import Row
from attention_reports.comparison.pairing import paired
from attention_reports.load import Run
from attention_reports.text import percent

KEY = ["workload", "dtype", "direction", "implementation"]
JUDGED = ("SLOWER", "FASTER", "UNRESOLVED", "SAME")
VERDICTS = ("BROKE", "SLOWER", "FASTER", "FIXED", "UNRESOLVED", "NOT JUDGED", "APPEARED", "DISAPPEARED", "SAME", "BASELINE")
"""In the order in which they matter. Broke: it is invalid, and was not. Fixed: it has a time, and was invalid."""
COLUMNS = [
    *KEY, "verdict", "change", "change_low", "change_high", "smallest_detectable", "reason", "ratio_before", "ratio_after",
    "median_before", "median_after", "baseline", "description",
]  # fmt: skip
UNTIMED = ("", "INVALID", "UNSUPPORTED")
LEAST_FLOOR = 0.05
"""Between runs every buffer lies elsewhere: medians of single processes were seen to differ by 3 to 4 %, so less than 5 % is none."""
LARGEST_SAME = 0.10
"""Noise widens the floor, but no wider interval than 10 % is called the same."""


def changes(before: Run, after: Run, comparable: bool) -> pd.DataFrame:
    """Every timing with its change, ratio after / ratio before, so that above 1 is slower; judged only where comparable."""
    both = paired(before.timings, after.timings, KEY).to_dict("records")
    rows = [_row(row, max(floor(before, row["workload"]), floor(after, row["workload"])), comparable) for row in both]
    table = pd.DataFrame([row for row in rows if row["verdict"]], columns=COLUMNS)
    return table.sort_values("verdict", key=lambda names: names.map(VERDICTS.index), kind="stable", ignore_index=True)


def floor(run: Run, workload: str) -> float:
    """The change that the noise of a run can look like (0.05 is 5 %): what it recorded for the workload, else for all of them.

    No less than 5 %, nor than what the baseline was found to differ from itself by; inf where no noise was recorded.
    """
    noise = run.section("noise")
    workloads = noise.get("workloads")
    own = workloads.get(workload) if isinstance(workloads, dict) else None
    measured = own if isinstance(own, dict) else noise
    recorded, itself = measured.get("floor"), measured.get("aa_ratio")
    apart = expm1(abs(log(itself))) if isinstance(itself, float) and 0 < itself < inf else 0.0
    return max(LEAST_FLOOR, float(recorded), apart) if isinstance(recorded, int | float) else inf


def decide(change: float, half: float, floor: float) -> str:
    """The verdict on a logarithmic change with the half width of its interval; a floor f is a factor of 1 + f either way."""
    if abs(change) > max(log1p(floor), half):
        return "SLOWER" if change > 0 else "FASTER"
    return "SAME" if abs(change) + half <= log1p(min(floor, LARGEST_SAME)) else "UNRESOLVED"


def _row(row: Row, floor: float, comparable: bool) -> Row:
    side = "after" if row["verdict_after"] else "before"
    own = {name: row[name] for name in KEY} | {name: row[f"{name}_{side}"] for name in ("baseline", "description")}
    sides = {f"{name}_{when}": row[f"{name}_{when}"] for name in ("ratio", "median") for when in ("before", "after")}
    return own | sides | {"reason": ""} | (_unlike(row) or _like(row, floor, comparable))


def _unlike(row: Row) -> Row:
    """The verdict on a pair without two times: "" where there is nothing to say; an empty row for two times."""
    was, now = row["verdict_before"], row["verdict_after"]
    if now == "INVALID":
        return {"verdict": "" if was == "INVALID" else "BROKE", "reason": row["reason_after"]}
    if now in UNTIMED or was in UNTIMED:
        kinds = {(True, False): "DISAPPEARED", (False, True): "FIXED" if was == "INVALID" else "APPEARED"}
        return {"verdict": kinds.get((was not in UNTIMED, now not in UNTIMED), ""), "reason": row["reason_after"]}
    for name in ("baseline", "description"):
        if (old := row[f"{name}_before"]) != (new := row[f"{name}_after"]):
            return {"verdict": "NOT JUDGED", "reason": f"another {name}: {old or 'none'}, then {new or 'none'}"}
    return {"verdict": "BASELINE"} if was == now == "BASELINE" else {}


def _like(row: Row, floor: float, comparable: bool) -> Row:
    """The change, and its verdict."""
    change = _log(row["ratio_after"]) - _log(row["ratio_before"])
    half = sqrt(sum(_half(row, side) ** 2 for side in ("before", "after")))
    low, high = (_exp(change + sign * half) for sign in (-1, 1))
    interval = {"change": _exp(change), "change_low": low, "change_high": high}
    if not comparable:
        return interval | {"verdict": "NOT JUDGED"}
    verdict, detectable = decide(change, half, floor), max(floor, _exp(half) - 1)
    reason = _why(change, half, detectable) if verdict == "UNRESOLVED" else ""
    return interval | {"verdict": verdict, "smallest_detectable": detectable, "reason": reason}


def _why(change: float, half: float, detectable: float) -> str:
    if not isfinite(detectable):
        return "one of the runs has too few rounds, or no measure of its noise"
    return f"{'noise' if abs(change) <= half else 'the floor'} hides changes below {percent(detectable)}"


def _half(row: Row, side: str) -> float:
    """Half the interval's width on the logarithmic scale; inf for an interval that has no end."""
    half = (_log(row[f"ratio_high_{side}"]) - _log(row[f"ratio_low_{side}"])) / 2
    return half if isfinite(half) else inf


def _log(value: float) -> float:
    return log(value) if 0 < value < inf else nan


def _exp(value: float) -> float:
    return inf if value > 700 else exp(value)

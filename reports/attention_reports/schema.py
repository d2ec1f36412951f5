"""The columns of the recorded frames, and empty frames for files that a run did not get to write."""

import pandas as pd

CHECKS = {
    "implementation": "str", "framework": "str", "version": "str", "device": "str", "dtype": "str", "spec": "str",
    "property": "str", "clause": "str", "outcome": "str", "cases": "int64", "vacuous": "int64", "worst_ratio": "float64",
    "seconds": "float64", "case": "str", "message": "str", "replay": "str", "others": "str",
    "looks_like": "str",
}  # fmt: skip
AGREEMENT = {"a": "str", "b": "str", "spec": "str", "cases": "int64", "worst_ratio": "float64", "case": "str"}
PRECISION = {
    "implementation": "str", "framework": "str", "spec": "str", "dtype": "str", "model": "str", "declared": "int64", "tightest": "int64",
    "cases": "int64", "elements": "int64", "median": "float64", "q99": "float64", "worst": "float64", "beside_eager": "float64",
}  # fmt: skip
PROFILE = {"implementation": "str", "part": "str", "meaning": "str", "seconds": "float64"}
COVERAGE = {"region": "str", "value": "str", "cases": "int64"}
TIMINGS = {
    "implementation": "str", "framework": "str", "device": "str", "workload": "str", "dtype": "str", "direction": "str",
    "median": "float64", "ratio": "float64", "ratio_low": "float64", "ratio_high": "float64", "verdict": "str", "reason": "str",
    "gflops": "float64", "peak_memory": "float64", "compile_seconds": "float64", "rounds": "int64", "samples": "int64",
    "minimum": "float64", "baseline": "str", "smallest_detectable": "float64", "q1": "float64", "q3": "float64", "description": "str",
    "error": "float64", "bytes": "float64", "own_peak": "float64", "machine_peak": "float64", "bandwidth": "float64",
    "machine_gflops": "float64", "first_call": "float64", "break_even": "float64", "p_value": "float64",
    "sweep": "str", "varied": "str", "value": "float64",
}  # fmt: skip
FAULTS = {
    "fault": "str", "family": "str", "family_name": "str", "link": "str", "spec": "str", "killed_by": "str", "clause": "str",
    "outcome": "str", "dtype": "str", "cases": "int64", "seconds": "float64", "killers": "int64", "case": "str", "message": "str",
}  # fmt: skip
KILLS = {
    "fault": "str", "property": "str", "clause": "str", "outcome": "str", "dtype": "str", "cases": "int64", "seconds": "float64",
}  # fmt: skip
CONTROLS = {
    "name": "str", "accused_by": "str", "clause": "str", "cases": "int64", "seconds": "float64", "case": "str", "message": "str",
}  # fmt: skip
VACUITY = {"spec": "str", "property": "str", "clause": "str", "cases": "int64", "vacuous": "int64", "share": "float64"}
OTHER_CHECKS = {
    "check": "str", "source": "str", "faults_found": "int64", "faults": "int64", "false_alarms": "int64", "controls": "int64",
    "seconds": "float64",
}  # fmt: skip
FRAMES = {
    "checks": CHECKS, "precision": PRECISION, "agreement": AGREEMENT, "coverage": COVERAGE, "profile": PROFILE, "timings": TIMINGS,
    "faults": FAULTS, "kills": KILLS, "controls": CONTROLS, "vacuity": VACUITY, "other_checks": OTHER_CHECKS,
}  # fmt: skip
FORMER_NAMES = {"controls": "sound", "other_checks": "peers"}
"""The files of these frames in audits of older versions."""
FORMER_COLUMNS = {"peer": "check", "sound": "controls"}
_MISSING = {"str": "", "int64": 0, "float64": float("nan")}


def conform(frame: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    """The frame with every column of the schema and its dtype; what is missing is "", 0 or NaN. Further columns stay."""
    frame = frame.reset_index(drop=True)
    for name, dtype in columns.items():
        values = frame[name] if name in frame else pd.Series([_MISSING[dtype]] * len(frame))
        if dtype == "str":
            frame[name] = values.fillna("").astype("str")
        else:
            numbers = pd.to_numeric(values, errors="coerce")
            frame[name] = numbers if dtype == "float64" else numbers.fillna(0).astype("int64")
    return frame

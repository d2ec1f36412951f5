"""Tables of timings."""

import pandas as pd

from attention_reports import outcomes
from attention_reports.registry import table

GROUP = ["workload", "dtype", "direction"]


def valid(timings: pd.DataFrame) -> pd.DataFrame:
    """The timings that have a time."""
    return timings[(timings["verdict"] != "INVALID") & (timings["median"] > 0)]


@table("timings", listed=False)
def timings(timings: pd.DataFrame) -> pd.DataFrame:
    """The timings with speed-up = the baseline's time / its time and its interval; fastest first within a workload."""
    rows = timings.assign(
        speedup=1 / timings["ratio"], speedup_low=1 / timings["ratio_high"], speedup_high=1 / timings["ratio_low"]
    )
    place = rows.groupby(GROUP, sort=False).ngroup()
    return rows.assign(place=place).sort_values(["place", "median"], kind="stable").drop(columns="place")


@table("fastest", listed=False)
def fastest(checks: pd.DataFrame, timings: pd.DataFrame) -> pd.DataFrame:
    """For each (workload, dtype, direction) the fastest implementation that nothing speaks against.

    `also` names those whose interval overlaps its own: this run cannot tell them apart.
    """
    wrong = set(checks.loc[checks["outcome"].isin(outcomes.failing(checks["outcome"])), "implementation"])
    valid_timings = timings[
        ~timings["implementation"].isin(list(wrong)) & (timings["verdict"] != "INVALID") & timings["median"].notna()
    ]
    rows = []
    for _, group in valid_timings.groupby(GROUP, sort=False):
        best = group.nsmallest(1, "median").iloc[0]
        level = group[(group["ratio_low"] <= best["ratio_high"]) & (group["implementation"] != best["implementation"])]
        rows.append({**best, "also": tuple(level["implementation"])})
    return pd.DataFrame(rows, columns=[*timings.columns, "also"])


@table("timing verdicts", listed=False)
def timing_verdicts(timings: pd.DataFrame) -> pd.DataFrame:
    """The number of comparisons with the baseline for each verdict."""
    counts = timings["verdict"].value_counts()
    names = ["FASTER", "SAME", "SLOWER", "UNRESOLVED", "INVALID"]
    return pd.DataFrame({"verdict": names, "comparisons": [int(counts.get(name, 0)) for name in names]})

"""Tables behind the pictures of timings: ceilings, accuracy beside speed, distance from the fastest, and first calls."""

import numpy as np
import pandas as pd

from attention_reports.cells import Row
from attention_reports.registry import table
from attention_reports.tables.speed import GROUP, valid

PANEL = ["dtype", "direction"]
CEILING = ["machine_gflops", "bandwidth"]


@table("roofline", listed=False)
def roofline(timings: pd.DataFrame) -> pd.DataFrame:
    """Each valid timing with its intensity, FLOPs / least bytes moved; those without either are left out."""
    rows = valid(timings)
    points = rows.assign(intensity=rows["gflops"] * 1e9 * rows["median"] / rows["bytes"])
    return points[np.isfinite(points["intensity"]) & (points["intensity"] > 0) & (points["gflops"] > 0)]


@table("ceilings", listed=False)
def ceilings(timings: pd.DataFrame) -> pd.DataFrame:
    """The fastest matrix product (GFLOP/s) and the largest bandwidth (bytes/s) that were seen; dtypes with the same share a row."""
    known = timings.dropna(subset=CEILING).groupby("dtype", sort=False)[CEILING].max().reset_index()
    return known.groupby(CEILING, sort=False)["dtype"].agg(", ".join).reset_index()


@table("accuracy and speed", listed=False)
def accuracy_and_speed(timings: pd.DataFrame) -> pd.DataFrame:
    """For each dtype and direction: the worst error of an implementation and the geometric mean of its speed-ups.

    Only workloads count on which all of the group were timed, so that they are compared on the same work. `front` marks those
    that no other beats in one without losing in the other (Pareto).
    """
    rows = valid(timings).dropna(subset=["error", "ratio"])
    everyone = rows.groupby(PANEL)["implementation"].transform("nunique")
    common = rows[rows.groupby(GROUP)["implementation"].transform("nunique") == everyone]
    points = (
        common.assign(speedup=-np.log(common["ratio"]))
        .groupby([*PANEL, "implementation"], sort=False)
        .agg(workloads=("workload", "nunique"), speedup=("speedup", "mean"), error=("error", "max"))
        .reset_index()
    )
    points["speedup"] = np.exp(points["speedup"])
    return points.assign(front=[not _beaten(row, points) for row in points.to_dict("records")])


def _beaten(row: Row, points: pd.DataFrame) -> bool:
    """Whether one of the same panel is at least as good in both, and better in one."""
    rivals = points[(points["dtype"] == row["dtype"]) & (points["direction"] == row["direction"])]
    level = rivals[(rivals["speedup"] >= row["speedup"]) & (rivals["error"] <= row["error"])]
    return bool(((level["speedup"] > row["speedup"]) | (level["error"] < row["error"])).any())


@table("factors of the best", listed=False)
def factors_of_the_best(timings: pd.DataFrame) -> pd.DataFrame:
    """Implementation by workload: its time in units of the fastest; infinite where it has no valid time.

    Workloads of sweeps, of which there are many alike, count only where there are no others.
    """
    own = timings[timings["sweep"] == ""]
    chosen = own if len(own) else timings
    wide = valid(chosen).pivot_table(index="implementation", columns=GROUP, values="ratio", aggfunc="first", sort=False)
    everyone = list(dict.fromkeys(chosen["implementation"]))
    return (wide / wide.min()).reindex(everyone).fillna(np.inf) if len(wide) else pd.DataFrame()


@table("first calls", listed=False)
def first_calls(timings: pd.DataFrame) -> pd.DataFrame:
    """For each implementation, medians over workloads: a steady call, the first one, and the calls that earn the first one back.

    `break_even` is infinite for one that is no faster than the baseline, and 0 or NaN where nothing has to be earned back.
    """
    rows = valid(timings).dropna(subset=["first_call"])
    return rows.groupby("implementation", sort=False)[["median", "first_call", "break_even"]].median().reset_index()

"""Tables of sweeps: the growth of time and memory with the varied size."""

from typing import Any

import pandas as pd

from attention_reports.fits import fit
from attention_reports.registry import table
from attention_reports.tables.speed import valid

SWEEP = ["sweep", "direction"]
COLUMNS = [
    "implementation", "sweep", "direction", "varied", "time exponent", "time low", "time high", "memory exponent", "memory low",
    "memory high", "points",
]  # fmt: skip


@table("swept", listed=False)
def swept(timings: pd.DataFrame) -> pd.DataFrame:
    """The timings that lie on a sweep over a number, and are valid; in the order of that number."""
    rows = valid(timings)
    return rows[(rows["sweep"] != "") & (rows["value"] > 0)].sort_values("value", kind="stable")


@table("scaling", listed=False)
def scaling(timings: pd.DataFrame) -> pd.DataFrame:
    """The exponents of time and of peak memory over each sweep with their intervals of 95 %; see `attention_reports.fits`."""
    groups = swept(timings).groupby([*SWEEP, "implementation"], sort=False)
    return pd.DataFrame([_exponents(group) for _, group in groups], columns=COLUMNS)


def _exponents(group: pd.DataFrame) -> dict[str, Any]:
    time, memory = (fit(list(group["value"]), list(group[name])) for name in ("median", "peak_memory"))
    known = {name: group[name].iloc[0] for name in ("implementation", *SWEEP, "varied")}
    fits = {"time": time, "memory": memory}
    exponents = {f"{of} {what}": getattr(one, what) for of, one in fits.items() for what in ("exponent", "low", "high")}
    return {**known, **exponents, "points": time.points}

"""Tables of outcomes."""

from typing import Any

import pandas as pd

from attention_reports import outcomes
from attention_reports.registry import table
from attention_reports.text import natural


def tried(checks: pd.DataFrame) -> pd.DataFrame:
    """The rows about a property; an implementation that is unavailable has one row about none."""
    return checks[checks["property"] != ""]


@table("conformance", listed=False)
def conformance(checks: pd.DataFrame) -> pd.DataFrame:
    """(spec, clause, property) x implementation: the worst outcome over dtypes, "" where nothing was tried."""
    rows = tried(checks)
    index = ["spec", "clause", "property"]
    wide = rows.groupby([*index, "implementation"])["outcome"].agg(outcomes.worst).unstack(fill_value="")
    ordered = sorted(wide.index, key=lambda key: (key[0], natural(key[1]), key[2]))
    return wide.reindex(index=ordered, columns=list(dict.fromkeys(rows["implementation"])))


@table("standing", listed=False)
def standing(checks: pd.DataFrame) -> pd.DataFrame:
    """One row for each implementation: its worst outcome, and how many (property, dtype) pairs have each outcome."""
    counts = pd.crosstab(checks["implementation"], checks["outcome"]).reindex(
        columns=outcomes.ranked(checks["outcome"]), fill_value=0
    )
    groups = checks.groupby("implementation", sort=False)
    declared = groups.agg(
        framework=("framework", "first"), version=("version", "first"), device=("device", "first"), spec=("spec", "first"),
        standing=("outcome", outcomes.worst), cases=("cases", "sum"), seconds=("seconds", "sum"),
    )  # fmt: skip
    return declared.join(counts).reset_index()


@table("outcome counts", listed=False)
def outcome_counts(checks: pd.DataFrame) -> pd.DataFrame:
    """The number of (implementation, property, dtype) triples with each outcome, worst first."""
    counts = tried(checks)["outcome"].value_counts()
    rows = [{"outcome": name, "checks": int(counts.get(name, 0))} for name in outcomes.ranked(checks["outcome"])]
    return pd.DataFrame(rows)


@table("what did not run", listed=False)
def what_did_not_run(checks: pd.DataFrame, implementations: list[dict[str, Any]]) -> pd.DataFrame:
    """Each implementation that is unavailable, and why."""
    absent = checks[checks["outcome"] == "unavailable"]
    reasons = dict(zip(absent["implementation"], absent["message"], strict=True))
    for entry in implementations:
        if entry.get("available") is False:
            reasons.setdefault(str(entry.get("name", "")), str(entry.get("reason", "")))
    rows = [(name, reason or "no reason was recorded") for name, reason in reasons.items()]
    return pd.DataFrame(rows, columns=["implementation", "reason"])


@table("what is unsupported, and why")
def unsupported(checks: pd.DataFrame) -> pd.DataFrame:
    """Each declared reason, with the dtypes and the number of properties that it keeps from being tried."""
    rows = tried(checks)
    groups = rows[rows["outcome"] == "unsupported"].groupby(["implementation", "message"], sort=False)
    reasons = groups.agg(properties=("property", "nunique"), dtypes=("dtype", lambda values: ", ".join(dict.fromkeys(values))))
    return reasons.reset_index().rename(columns={"message": "reason"})


@table("known deviations")
def known_deviations(checks: pd.DataFrame) -> pd.DataFrame:
    """Each property that an implementation breaks in a way that is known, with the reason and where it is documented."""
    rows = tried(checks)
    groups = rows[rows["outcome"] == "waived"].groupby(["implementation", "property"], sort=False)
    deviations = groups.agg(dtypes=("dtype", lambda values: ", ".join(dict.fromkeys(values))), reason=("message", "first"))
    return deviations.reset_index()


@table("closest calls")
def closest_calls(checks: pd.DataFrame) -> pd.DataFrame:
    """The ten agreeing checks whose worst error comes nearest to the bound (1 is at the bound)."""
    agreeing = checks[(checks["property"] != "") & (checks["outcome"] == "agrees")]
    columns = ["implementation", "property", "dtype", "worst_ratio", "cases"]
    return agreeing[columns].nlargest(10, "worst_ratio").rename(columns={"worst_ratio": "error / bound"})


@table("slowest properties")
def slowest_properties(checks: pd.DataFrame) -> pd.DataFrame:
    """The ten properties that took the most time, over all implementations."""
    groups = tried(checks).groupby("property")[["cases", "seconds"]].sum()
    return groups.nlargest(10, "seconds").reset_index()

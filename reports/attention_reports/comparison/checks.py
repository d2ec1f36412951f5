"""Outcomes of two runs, check by check: broken, fixed, appeared, disappeared."""

import pandas as pd

from attention_reports import outcomes
from attention_reports.cells import Row
from attention_reports.comparison.pairing import paired

KEY = ["implementation", "spec", "property", "dtype"]
KINDS = ("broke", "fixed", "appeared", "disappeared", "changed")
"""Broke: it fails, and did not. Fixed: it agrees, and failed. Appeared, disappeared: one run alone has it. Changed: all else."""
COLUMNS = ["change", *KEY, "clause", "before", "after", "message", "replay"]


def common(before: pd.DataFrame, after: pd.DataFrame) -> int:
    """The number of checks that both runs made."""
    both = paired(before, after, KEY)
    return int(((both["side"] == "both") & (both["property"] != "")).sum())


def changes(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """The checks whose outcome differs, what broke first; message and replay line are of the run in which it fails."""
    rows = [_change(row) for row in paired(_worst_first(before), _worst_first(after), KEY).to_dict("records")]
    table = pd.DataFrame([row for row in rows if row["change"]], columns=COLUMNS)
    return table.sort_values("change", key=lambda kinds: kinds.map(KINDS.index), kind="stable", ignore_index=True)


def _worst_first(checks: pd.DataFrame) -> pd.DataFrame:
    return checks.iloc[checks["outcome"].map(outcomes.rank).argsort(kind="stable")]


def _change(row: Row) -> Row:
    before, after = row["outcome_before"], row["outcome_after"]
    kind = _kind(before, after)
    side = "before" if kind in ("fixed", "disappeared") else "after"
    evidence = {name: row[f"{name}_{side}"] for name in ("clause", "message", "replay")}
    return {name: row[name] for name in KEY} | {"change": kind, "before": before, "after": after} | evidence


def _kind(before: str, after: str) -> str:
    """ "" for an outcome that is the same in both runs."""
    if before == after:
        return ""
    if not before or not after:
        return "disappeared" if before else "appeared"
    failed, fails = outcomes.fails(before), outcomes.fails(after)
    return "broke" if fails and not failed else "fixed" if failed and after == "agrees" else "changed"

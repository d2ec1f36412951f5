"""Tables of declarations, cases and the environment."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from attention_reports.load import Run
from attention_reports.registry import table
from attention_reports.text import plain


@table("agreement", listed=False)
def agreement(checks: pd.DataFrame, agreement: pd.DataFrame) -> pd.DataFrame:
    """Implementation x implementation: the largest difference between the two in units of the larger bound."""
    compared = {*agreement["a"], *agreement["b"]}
    names = [name for name in dict.fromkeys([*checks["implementation"], *sorted(compared)]) if name in compared]
    both = pd.concat([agreement, agreement.rename(columns={"a": "b", "b": "a"})])
    return both.groupby(["a", "b"])["worst_ratio"].max().unstack().reindex(index=names, columns=names)


@table("standing apart", listed=False)
def standing_apart(agreement: pd.DataFrame) -> pd.DataFrame:
    """The implementations further from others than the two bounds together, so that both cannot be right.

    Each pair is told once, under the implementation that stands apart from the most.
    """
    far = agreement[~(agreement["worst_ratio"] <= 2) & (agreement["cases"] > 0)]
    rows = []
    while len(far):
        name = pd.concat([far["a"], far["b"]]).value_counts(sort=True).index[0]
        own = far[(far["a"] == name) | (far["b"] == name)]
        others = tuple(own["b"].where(own["a"] == name, own["a"]))
        rows.append((name, others, own["worst_ratio"].max(skipna=False)))
        far = far.drop(own.index)
    return pd.DataFrame(rows, columns=["implementation", "others", "worst_ratio"])


@table("profile", listed=False)
def profile(profile: pd.DataFrame) -> pd.DataFrame:
    """Implementation x part of its check: wall-clock seconds; the slowest first, without parts that took no time anywhere."""
    parts = profile.pivot_table("seconds", "implementation", "part", "sum", sort=False)
    taken = parts.loc[:, parts.sum() > 0]
    return taken.loc[taken.sum(axis=1).sort_values(ascending=False, kind="stable").index]


@table("conventions", listed=False)
def conventions(implementations: list[dict[str, Any]]) -> pd.DataFrame:
    """Implementation x convention, and the precision that each dtype is held to; "" where nothing was declared."""
    rows = {}
    for entry in implementations:
        if entry.get("available", True):
            declared = {**_mapping(entry.get("conventions")), **_mapping(entry.get("precision"))}
            rows[str(entry.get("name", ""))] = {key: plain(value) for key, value in declared.items()}
    return pd.DataFrame.from_dict(rows, orient="index").fillna("").rename_axis("implementation").reset_index()


@table("options taken", listed=False)
def options_taken(implementations: list[dict[str, Any]]) -> pd.DataFrame:
    """Which options each implementation takes natively, which the harness lowers for it, and the dtypes it offers."""
    rows = [
        {
            "implementation": str(entry.get("name", "")),
            "natively": plain(entry.get("options") or []),
            "lowered": plain(entry.get("lowered") or []),
            "dtypes": plain(entry.get("dtypes") or []),
        }
        for entry in implementations
        if entry.get("available", True)
    ]
    return pd.DataFrame(rows, columns=["implementation", "natively", "lowered", "dtypes"])


@table("worked example", listed=False)
def worked_example(run: Run) -> pd.DataFrame:
    """Each implementation's largest deviation from the worked example, the closest first."""
    deviation = _mapping(run.section("worked_example").get("deviation"))
    rows = pd.DataFrame({"implementation": list(deviation), "deviation": pd.to_numeric(pd.Series(list(deviation.values())))})
    return rows.sort_values("deviation", kind="stable", na_position="last")


@table("environment", listed=False)
def environment(run: Run) -> pd.DataFrame:
    """The environment of the run, one fact a row: everything that must be equal for two runs to be compared."""
    rows = [
        ("command", run.metadata.get("command_line")),
        ("started", run.metadata.get("started")),
        ("seed", run.metadata.get("seed")),
        ("compiled before", _compiled(run.section("compilation_cache"))),
    ]
    for key, value in run.section("environment").items():
        entries = value.items() if isinstance(value, dict) else [("", value)]
        rows.extend((f"{key} {name}".strip(), plain(entry)) for name, entry in entries)
    return pd.DataFrame([(fact, str(value)) for fact, value in rows if value is not None], columns=["fact", "value"])


def _compiled(cache: Mapping[str, Any]) -> str | None:
    """What earlier runs had compiled for this one; None in runs that do not say it."""
    state, entries = cache.get("state"), plain(cache.get("entries"))
    return {"off": "nothing is kept", "cold": "nothing yet", "warm": f"{entries} files of earlier runs"}.get(str(state))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}

"""Tables of an audit: planted faults, controls, vacuous cases, other checks."""

import math
from typing import Any

import pandas as pd

from attention_reports.load import Run
from attention_reports.registry import table, tabulate
from attention_reports.schema import OTHER_CHECKS
from attention_reports.text import natural

STOPPED = frozenset({"crashed", "timed-out", "out-of-memory"})
"""Outcomes after which a fault was asked no further: that nothing else rejected it says nothing."""
OURS = "attention-harness"
MOST_VACUOUS = 0.2


@table("standing of faults", listed=False)
def standing_of_faults(run: Run) -> pd.DataFrame:
    """One row for each fault, survivors first, then by class; `only` where one property rejects it and all others let it pass."""
    only = (run.faults["killers"] == 1) & ~run.faults["outcome"].isin(list(STOPPED)) & (not run.quick)
    faults = run.faults.assign(survived=run.faults["killed_by"] == "", only=only)
    order = sorted(faults.index, key=lambda i: (not faults.at[i, "survived"], natural(str(faults.at[i, "family"])), i))
    return faults.loc[order].reset_index(drop=True)


@table("first rejection", listed=False)
def first_rejection(faults: pd.DataFrame) -> pd.DataFrame:
    """By how many cases, and by how many seconds, half and nine tenths of all faults were rejected; no row where that never came."""
    rejected = faults[faults["killed_by"] != ""]
    cases, seconds = sorted(rejected["cases"]), sorted(rejected["seconds"])
    places = [(share, math.ceil(share * len(faults)) - 1) for share in (0.5, 0.9)]
    rows = [(share, cases[place], seconds[place]) for share, place in places if 0 <= place < len(rejected)]
    return pd.DataFrame(rows, columns=["share", "cases", "seconds"])


@table("mutation score by class", listed=False)
def mutation_score_by_class(faults: pd.DataFrame) -> pd.DataFrame:
    """One row for each class of faults: how many, how many were rejected, the properties that did so first, and how soon."""
    rows: list[tuple[Any, ...]] = []
    for family, group in faults.groupby("family", sort=False):
        rejected = group[group["killed_by"] != ""]
        first = (rejected["clause"] + " " + rejected["killed_by"]).value_counts(sort=True)
        soon = (rejected["cases"].median(), rejected["seconds"].median())
        rows.append((str(family), str(group["family_name"].iloc[0]), len(group), len(rejected), tuple(first.index), *soon))
    columns = ["class", "name", "faults", "rejected", "first", "median cases", "median seconds"]
    return pd.DataFrame(sorted(rows, key=lambda row: natural(str(row[0]))), columns=columns)


@table("what each property rejects")
def what_each_property_rejects(run: Run) -> pd.DataFrame:
    """One row for each property that could be asked: the faults it rejected, those it was the first to, and those only it rejects."""
    faults = tabulate(run, "standing of faults")
    rows: list[tuple[Any, ...]] = [
        (spec, str(entry.get("clause", "")), name, *_counts(run.kills, faults, name))
        for (spec, name), entry in run.properties.items()
        if spec in set(faults["spec"])
    ]
    columns = ["spec", "clause", "property", "rejected", "first", "alone"]
    return pd.DataFrame(sorted(rows, key=lambda row: natural(str(row[1]))), columns=columns)


def _counts(kills: pd.DataFrame, faults: pd.DataFrame, name: str) -> tuple[int, int, int]:
    first = faults["killed_by"] == name
    return int((kills["property"] == name).sum()), int(first.sum()), int((first & faults["only"]).sum())


@table("idle properties", listed=False)
def idle_properties(run: Run) -> pd.DataFrame:
    """Properties that were never the first to reject a fault and never the only one; those that rejected the fewest come first."""
    every = tabulate(run, "what each property rejects")
    idle = every[(every["first"] == 0) & (every["alone"] == 0)]
    return idle.drop(columns=["first", "alone"]).sort_values("rejected", kind="stable").reset_index(drop=True)


@table("vacuity", listed=False)
def vacuity(vacuity: pd.DataFrame) -> pd.DataFrame:
    """The share of a property's cases that could tell nothing, the largest first; above a fifth it is `too much`."""
    rows = vacuity.assign(too_much=vacuity["share"] > MOST_VACUOUS)
    return rows.sort_values("share", ascending=False, kind="stable").reset_index(drop=True)


@table("accusations", listed=False)
def accusations(controls: pd.DataFrame) -> pd.DataFrame:
    """One row for each control and property that accuses it."""
    return controls[controls["accused_by"] != ""].reset_index(drop=True)


@table("controls", listed=False)
def controls_by_name(controls: pd.DataFrame) -> pd.DataFrame:
    """One row for each control, with all that accuse it; the accused come first."""
    groups = controls.groupby("name", sort=False)
    rows = groups.agg(cases=("cases", "max"), seconds=("seconds", "max"), accused_by=("accused_by", _named)).reset_index()
    return rows.sort_values("accused_by", key=lambda names: names.map(len) == 0, kind="stable").reset_index(drop=True)


def _named(names: pd.Series) -> tuple[str, ...]:
    return tuple(name for name in names if name)


@table("other_checks", listed=False)
def other_checks(run: Run) -> pd.DataFrame:
    """The faults that other checks find, and the controls that they accuse; the properties here are the first row."""
    if run.other_checks.empty:
        return run.other_checks.assign(share=0.0)
    controls = tabulate(run, "controls")
    accused = sum(len(names) > 0 for names in controls["accused_by"])
    rejected = int((run.faults["killed_by"] != "").sum())
    seconds = run.faults["seconds"].sum() + controls["seconds"].sum()
    ours = [OURS, "the properties of this run", rejected, len(run.faults), accused, len(controls), seconds]
    others = run.other_checks.sort_values("faults_found", ascending=False, kind="stable")
    rows = pd.concat([pd.DataFrame([ours], columns=list(OTHER_CHECKS)), others], ignore_index=True)
    return rows.assign(share=rows["faults_found"] / rows["faults"].clip(lower=1))

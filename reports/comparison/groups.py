"""Changed checks as a reader wants them: one entry for a property that broke in four dtypes, one for an implementation that is gone."""

import pandas as pd

from reports.cells import Row


def cells(changes: pd.DataFrame, kind: str) -> list[Row]:
    """The changes of one kind, one for each implementation and property: the row with a replay line, and all `dtypes`."""
    own = changes[changes["change"] == kind]
    return [_cell(group) for _, group in own.groupby(["implementation", "spec", "property"], sort=False)]


def _cell(group: pd.DataFrame) -> Row:
    rows = group.to_dict("records")
    told = next((row for row in rows if row["replay"]), rows[0])
    return {**told, "dtypes": [row["dtype"] for row in rows if row["dtype"]]}


def moves(changes: pd.DataFrame) -> list[Row]:
    """What neither broke nor was fixed: for each implementation, how many of its checks went from one outcome to another."""
    others = changes[~changes["change"].isin(["broke", "fixed"])]
    groups = others.groupby(["change", "implementation", "before", "after"], sort=False)
    return [_move(*key, group) for key, group in groups]


def _move(change: str, implementation: str, before: str, after: str, group: pd.DataFrame) -> Row:
    names = [name for name in dict.fromkeys(group["property"]) if name]
    dtypes = [name for name in dict.fromkeys(group["dtype"]) if name]
    messages = dict.fromkeys(message for message in group["message"] if message)
    told = next(iter(messages)) if len(messages) == 1 else ""
    own = {"change": change, "implementation": implementation, "before": before, "after": after}
    return own | {"properties": names, "dtypes": dtypes, "checks": len(group), "message": told}

"""Changed checks in groups: a property that broke in four dtypes is one entry, an implementation that is gone another."""

from collections.abc import Sequence

import pandas as pd

from attention_reports.cells import Row


def cells(changes: pd.DataFrame, kind: str) -> list[Row]:
    """The changes of one kind, one for each implementation and property: the row with a replay line, and all `dtypes`."""
    own = changes[changes["change"] == kind]
    return [_cell(rows) for rows in _grouped(own, ("implementation", "spec", "property"))]


def moves(changes: pd.DataFrame) -> list[Row]:
    """All other changes: for each implementation, how many of its checks went from one outcome to another."""
    others = changes[~changes["change"].isin(["broke", "fixed"])]
    return [_move(rows) for rows in _grouped(others, ("change", "implementation", "before", "after"))]


def _grouped(changes: pd.DataFrame, key: Sequence[str]) -> list[list[Row]]:
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in changes.to_dict("records"):
        groups.setdefault(tuple(row[name] for name in key), []).append(row)
    return list(groups.values())


def _cell(rows: list[Row]) -> Row:
    witness = next((row for row in rows if row["replay"]), rows[0])
    return {**witness, "dtypes": _distinct(rows, "dtype")}


def _move(rows: list[Row]) -> Row:
    messages = _distinct(rows, "message")
    summary = {"checks": len(rows), "message": messages[0] if len(messages) == 1 else ""}
    return rows[0] | {"properties": _distinct(rows, "property"), "dtypes": _distinct(rows, "dtype")} | summary


def _distinct(rows: list[Row], name: str) -> list[str]:
    return [value for value in dict.fromkeys(row[name] for row in rows) if value]

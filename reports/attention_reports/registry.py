"""The registry of tables. A table is one function, from records to a DataFrame, under `@table("its name")`.

Its parameters are named after what it needs of a `Run`: `checks`, `precision`, `agreement`, `coverage`, `profile`, `timings`, `faults`,
`kills`, `controls`, `vacuity`, `other_checks`, `implementations`, `metadata`, or `run` for the whole. A table that is `listed` stands at
the end of the page as it is; the others are drawn by a section of their own.
"""

import inspect
from collections.abc import Callable
from typing import TypeVar

import pandas as pd

from attention_reports.load import Run

Table = Callable[..., pd.DataFrame]
T = TypeVar("T", bound=Table)
TABLES: dict[str, Table] = {}
LISTED: list[str] = []


def table(name: str, *, listed: bool = True) -> Callable[[T], T]:
    """Register a table. Raises ValueError where the name is taken."""

    def register(function: T) -> T:
        if name in TABLES:
            raise ValueError(f"table={name!r}, but should be a new name: {TABLES[name].__module__} has it")
        TABLES[name] = function
        if listed:
            LISTED.append(name)
        return function

    return register


def tabulate(run: Run, name: str) -> pd.DataFrame:
    """The table of that name for a run. Raises KeyError naming the tables there are."""
    if name not in TABLES:
        raise KeyError(f"table={name!r}, but should be one of {', '.join(sorted(TABLES))}")
    function = TABLES[name]
    needs = inspect.signature(function).parameters
    return function(**{need: run if need == "run" else getattr(run, need) for need in needs})

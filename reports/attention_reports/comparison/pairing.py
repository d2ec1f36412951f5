"""Two tables side by side: a value that one of them lacks is "" or NaN."""

from collections.abc import Sequence

import pandas as pd


def paired(before: pd.DataFrame, after: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    """One row for each key of either table; the other columns come twice, with `_before` and `_after`.

    `side` says which table has it: "left_only", "right_only" or "both". The first row of a key counts.
    """
    both = before.drop_duplicates(key).merge(
        after.drop_duplicates(key), on=list(key), how="outer", suffixes=("_before", "_after"), indicator="side"
    )
    texts = both.select_dtypes(exclude=["number", "category"]).columns
    return both.assign(**{str(name): both[name].fillna("") for name in texts})

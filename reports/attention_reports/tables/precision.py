"""Tables of precision: error / bound under each model."""

import pandas as pd

from attention_reports.registry import table

COLUMNS = ["implementation", "dtype", "held_to", "tightest", "median", "q99", "worst", "beside_eager", "cases", "elements"]


@table("precision", listed=False)
def precision(precision: pd.DataFrame) -> pd.DataFrame:
    """One row for each implementation and dtype: the model that judges it, the tightest that it met, and error / bound under that.

    Where it met none, the numbers are those of the model that judges it.
    """
    rows = []
    for (implementation, dtype), models in precision.groupby(["implementation", "dtype"], sort=False):
        held = models[models["declared"] == 1].iloc[0]
        met = models[models["tightest"] == 1]
        tightest = met.iloc[0] if len(met) else held
        numbers = [tightest[name] for name in COLUMNS[4:]]
        rows.append([implementation, dtype, held["model"], tightest["model"] if len(met) else "", *numbers])
    return pd.DataFrame(rows, columns=COLUMNS)


@table("error / bound under each precision model")
def under_each_model(precision: pd.DataFrame) -> pd.DataFrame:
    """Every model of every dtype: median, 99 % and maximum over all elements; at most 1 is kept."""
    models = precision[["implementation", "dtype", "model", "median", "q99", "worst", "elements"]]
    return models.rename(columns={"median": "50 %", "q99": "99 %", "worst": "maximum"})

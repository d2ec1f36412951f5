"""The section of timings: comparisons over all workloads, sweeps, and each workload by itself."""

from typing import Any

import pandas as pd
from markupsafe import Markup

from attention_reports import pictures
from attention_reports.drawing.axes import Looks, looks
from attention_reports.load import Run
from attention_reports.tables import tabulate
from attention_reports.tables.scaling import SWEEP
from attention_reports.tables.speed import GROUP
from attention_reports.timing.cold import cold
from attention_reports.timing.heat import heat
from attention_reports.timing.pareto import pareto
from attention_reports.timing.profile import profile
from attention_reports.timing.roofline import roofline
from attention_reports.timing.scaling import scaling

MOST_CHARTS = 16  # a picture is ten to twenty kilobytes, and the page stays under a megabyte
MOST_SWEEPS = 12
EXTRA = ("own_peak", "machine_peak", "error", "break_even")
"""Columns of the table of a workload that are there only where something was measured."""


def sections(run: Run) -> dict[str, Any]:
    """The values for the template."""
    timings = tabulate(run, "timings")
    own = _workloads(timings[timings["sweep"] == ""], pictures.speedup_limits(timings))
    return {
        "workloads": own,
        "overview": Markup(heat("heat", timings)),
        "sweeps": _sweeps(run, timings),
        "comparisons": [one for one in _comparisons(run, looks(timings["implementation"])) if one["picture"]],
        "extra": [name for name in EXTRA if timings[name].notna().any()],
        "backward": "forward+backward" in set(timings["direction"]),
    }


def _workloads(timings: pd.DataFrame, limits: tuple[float, float]) -> list[dict[str, Any]]:
    groups = enumerate(timings.groupby(GROUP, sort=False))
    return [_workload(key, group, f"speed{place}" if place < MOST_CHARTS else "", limits) for place, (key, group) in groups]


def _workload(key: Any, group: pd.DataFrame, chart: str, limits: tuple[float, float]) -> dict[str, Any]:
    drawn = Markup(pictures.speedups(chart, group, limits)) if chart else ""
    return {"key": key, "description": group["description"].iloc[0], "rows": group.to_dict("records"), "chart": drawn}


def _sweeps(run: Run, timings: pd.DataFrame) -> list[dict[str, Any]]:
    """Each sweep in each direction: its picture, its exponents, and its workloads without pictures of their own."""
    swept, exponents = tabulate(run, "swept"), tabulate(run, "scaling")
    styles = looks(timings["implementation"])
    groups = timings[timings["sweep"] != ""].groupby(SWEEP, sort=False)
    return [
        _sweep(group, swept, exponents, styles if place < MOST_SWEEPS else {}, place) for place, (_, group) in enumerate(groups)
    ]


def _sweep(group: pd.DataFrame, swept: pd.DataFrame, exponents: pd.DataFrame, styles: Looks, place: int) -> dict[str, Any]:
    known = {name: group[name].iloc[0] for name in (*SWEEP, "varied", "description")}
    points, fits = (_of_sweep(frame, known) for frame in (swept, exponents))
    lines = fits.to_dict("records")
    drawn = scaling(f"sweep{place}", points, lines, styles) if styles and len(points) else ""
    workloads = [_workload(key, rows, "", (0, 0)) for key, rows in group.sort_values("value").groupby(GROUP, sort=False)]
    return {**known, "fits": [row for row in lines if row["points"] > 2], "chart": Markup(drawn), "workloads": workloads}


def _of_sweep(frame: pd.DataFrame, known: dict[str, Any]) -> pd.DataFrame:
    return frame[(frame["sweep"] == known["sweep"]) & (frame["direction"] == known["direction"])]


def _comparisons(run: Run, styles: Looks) -> list[dict[str, Any]]:
    """Pictures over all workloads, with a sentence on how each is read; those without data have no picture."""
    ceilings, cold_rows = tabulate(run, "ceilings").to_dict("records"), tabulate(run, "first calls").to_dict("records")
    drawn = [
        ("Near the best, and how often", PROFILE, profile("profile", tabulate(run, "factors of the best"), styles)),
        ("Accuracy against speed", PARETO, pareto("pareto", tabulate(run, "accuracy and speed"), styles)),
        ("Roofline", ROOFLINE, roofline("roofline", tabulate(run, "roofline"), ceilings, styles)),
        ("First calls", COLD, cold("cold", cold_rows)),
    ]
    return [{"title": title, "caption": caption, "picture": Markup(picture)} for title, caption, picture in drawn]


PROFILE = (
    "A curve gives the share of the workloads on which an implementation is at most so many times slower than the fastest: at the left"
    " edge, how often it is the fastest; at the right, how often it has a valid time at all."
)
PARETO = (
    "Worst error against the mean speed-up, over the workloads that all of a panel were timed on; up is more accurate, right is faster."
    " Nothing beats a filled point in both; each hollow one is beaten."
)
ROOFLINE = (
    "Speed against FLOPs for each byte of q, k, v, mask and output; a point near the sloping line is limited by memory, one near the"
    " flat line by arithmetic. Both lines were measured on this machine. Hollow points are unresolved."
)
COLD = (
    "From a steady call (filled) to the first one (hollow), which may compile; medians over workloads. At the right, the calls after"
    " which that has paid for itself against the baseline."
)

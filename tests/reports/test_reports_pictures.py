"""Pictures follow the page's colours, are the same each time, and survive odd records."""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from attention_reports import Run, pictures
from attention_reports.tables import tabulate


def timings(whole_run: Path) -> pd.DataFrame:
    frame = tabulate(Run.load(whole_run), "timings")
    return frame[frame["workload"] == "decode"]


def test_a_chart_is_one_svg_in_the_colours_of_the_page(whole_run: Path) -> None:
    picture = pictures.speedups("c", timings(whole_run), (0.1, 10.0))
    texts = [element.text for element in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert {"numpy-eager", "torch-chunked", "1×"} <= set(texts)
    assert "var(--agrees)" in picture
    assert "currentColor" in picture
    assert "#0101" not in picture


def test_only_an_invalid_row_is_hatched(whole_run: Path) -> None:
    frame = timings(whole_run)
    assert "<pattern" in pictures.speedups("c", frame, (0.1, 10.0))
    assert "<pattern" not in pictures.speedups("c", frame[frame["verdict"] != "INVALID"], (0.1, 10.0))


def test_the_same_records_give_the_same_picture(whole_run: Path) -> None:
    frame = timings(whole_run)
    assert pictures.speedups("c", frame, (0.1, 10.0)) == pictures.speedups("c", frame, (0.1, 10.0))


@pytest.mark.parametrize("name", ["$\\frac{1}$", "#010106", "名前 1.23456", "a" * 500, "</text><script>"])
def test_a_name_is_drawn_as_it_is_or_with_its_middle_left_out(name: str) -> None:
    matrix = pd.DataFrame([[float("nan"), 0.5], [0.5, float("nan")]], index=[name, "b"], columns=[name, "b"])
    texts = [element.text for element in ET.fromstring(pictures.agreement("h", matrix)).iter("{http://www.w3.org/2000/svg}text")]
    assert (name if len(name) <= 30 else f"{'a' * 15}…{'a' * 14}") in texts


@pytest.mark.parametrize(
    ("error", "wrong"), [(0.5, False), (1.0, False), (1.5, True), (None, True), ("nan", True), (float("inf"), True)]
)
def test_an_error_above_its_bound_or_not_a_number_is_wrong(error: Any, wrong: bool) -> None:
    picture = pictures.counterexample("c", {"error": [[error, 0.1], [0.1, 0.1]]})
    assert ("var(--violates)" in picture) == wrong


@pytest.mark.parametrize(
    "picture", [{}, {"mask": None}, {"mask": [[1], [1, 0]]}, {"error": [1, 2]}, {"mask": [[]]}, {"mask": [[1] * 65]}]
)
def test_what_is_no_small_rectangle_is_not_drawn(picture: dict[str, Any]) -> None:
    assert pictures.counterexample("c", picture) == ""


def test_one_axis_serves_all_workloads(whole_run: Path) -> None:
    frame = tabulate(Run.load(whole_run), "timings")
    low, high = pictures.speedup_limits(frame)
    assert low < frame["speedup_low"].min()
    assert high > frame["speedup_high"].max()

"""Report pages to open in a real Chromium."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from attention_harness.cli.app import main
from attention_reports import Run, write_report, write_table


@pytest.fixture(scope="session")
def pages(whole_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The page of that name: a run that has everything, the example of this repository, a comparison, an audit, and odd runs."""
    written: dict[str, Path] = {}

    def page(name: str) -> Path:
        if name not in written:
            written[name] = PAGES[name](whole_run, tmp_path_factory.mktemp(name))
        return written[name]

    return page


def _compared(run: Path, folder: Path) -> Path:
    assert main(["compare", str(run), str(run), "--output", str(folder)]) == 0
    return folder / "compare.html"


def _audited(_: Path, folder: Path) -> Path:
    assert main(["audit", "softcap_comes_after_the_mask", "--examples", "1", "--output", str(folder)]) == 0
    return folder / "report.html"


HOSTILE = "<script>alert('x')</script>\"|`@user $x$ \u202eabc\x1b[31m"
JUDGED = ("outcome", "verdict", "direction", "dtype", "spec", "device")
"""Columns that hold words of this project's own."""


def _written(folder: Path, metadata: dict[str, Any], **frames: pd.DataFrame) -> Path:
    (folder / "run.json").write_text(json.dumps(metadata), encoding="utf-8")
    for name, frame in frames.items():
        write_table(folder, name, frame)
    return write_report(folder)


def _hostile(run: Path, folder: Path) -> Path:
    """Every text of every table begins with markup, quotes, a mark that turns the direction, and an escape of terminals."""
    whole = Run.load(run)
    frames = {name: getattr(whole, name) for name in ("checks", "agreement", "coverage", "precision", "timings")}
    for frame in frames.values():
        for column in set(frame.select_dtypes(exclude="number").columns) - set(JUDGED):
            frame[column] = frame[column].map(lambda text: HOSTILE + text if isinstance(text, str) and text else text)
    return _written(folder, {**whole.metadata, "notes": [HOSTILE], "command_line": HOSTILE}, **frames)


def _failing(run: Path, folder: Path) -> Path:
    whole = Run.load(run)
    return _written(folder, whole.metadata, checks=whole.checks.assign(outcome="violates", message="out=1, but should be 2"))


def _absent(run: Path, folder: Path) -> Path:
    whole = Run.load(run)
    rows = whole.checks.drop_duplicates("implementation")
    return _written(folder, whole.metadata, checks=rows.assign(outcome="unavailable", property="", message="no CUDA device"))


def _single(run: Path, folder: Path) -> Path:
    whole = Run.load(run)
    return _written(folder, whole.metadata, checks=whole.checks.query("implementation == 'torch-chunked'"))


def _interrupted(run: Path, folder: Path) -> Path:
    return _written(folder, {"schema": 1}, checks=Run.load(run).checks.head(40))


PAGES: dict[str, Callable[[Path, Path], Path]] = {
    "run": lambda run, folder: write_report(run),
    "example": lambda run, folder: Path(__file__).parents[3] / "reports" / "example" / "report.html",
    "comparison": _compared,
    "audit": _audited,
    "hostile": _hostile,
    "everything failing": _failing,
    "nothing available": _absent,
    "one implementation": _single,
    "interrupted": _interrupted,
}


@pytest.fixture(params=list(PAGES))
def every_page(request: pytest.FixtureRequest, pages: Callable[[str], Path]) -> Path:
    """Each of them."""
    return pages(request.param)

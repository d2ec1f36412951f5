"""A folder becomes a run, or one clear line says why not."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from attention_reports import ReportError, Run, schema, write_report


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "should contain run.json: it does not"),
        ("{", "should be JSON"),
        ("[]", "should hold one JSON object: it holds a list"),
        ('{"schema": 2}', "schema=2, but should be 1"),
    ],
)
def test_a_folder_that_is_no_run_is_refused_in_one_line(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(ReportError, match=message) as caught:
        write_report(tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "report.html").exists()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="nowhere, but should contain run.json: there is no such folder"):
        Run.load(tmp_path / "nowhere")


def test_a_damaged_table_is_an_error_and_not_an_empty_one(make_run: Callable[..., Path]) -> None:
    folder = make_run({})
    (folder / "checks.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(ReportError, match="checks.parquet, but should be a Parquet file"):
        Run.load(folder)


def test_missing_tables_are_empty_with_their_columns(make_run: Callable[..., Path]) -> None:
    run = Run.load(make_run({}))
    assert {name: list(getattr(run, name).columns) for name in schema.FRAMES} == {
        name: list(columns) for name, columns in schema.FRAMES.items()
    }
    assert not run.complete


def test_missing_columns_are_filled_and_further_ones_kept(make_run: Callable[..., Path]) -> None:
    checks = Run.load(
        make_run(checks=[{"implementation": "a", "property": "p", "outcome": "agrees", "cases": 3, "new": 1}])
    ).checks
    first = checks.iloc[0]
    assert (first["message"], first["vacuous"], first["cases"], first["new"]) == ("", 0, 3, 1)
    assert pd.isna(first["worst_ratio"])


@pytest.mark.parametrize("identifier", ["", "..", "../run", "/etc/passwd", "absent"])
def test_an_id_that_names_no_case_reads_no_file(make_run: Callable[..., Path], identifier: str) -> None:
    folder = make_run({"secret": 1})
    (folder / "cases").mkdir()
    (folder / "cases" / "real.json").write_text(json.dumps({"property": "p"}))
    run = Run.load(folder)
    assert run.case("real") == {"property": "p"}
    assert run.case(identifier) == {}

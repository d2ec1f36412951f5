"""Tables are written whole or not at all."""

from pathlib import Path

import pandas as pd
import pytest

from attention_reports import write_table


def test_parquet_and_csv_hold_the_same_rows(tmp_path: Path) -> None:
    frame = pd.DataFrame({"name": ["a, b", 'quoted "c"', "two\nlines"], "value": [1.5, float("inf"), float("nan")]})
    path = write_table(tmp_path / "new" / "folder", "checks", frame)
    assert path.name == "checks.parquet"
    pd.testing.assert_frame_equal(pd.read_parquet(path), frame, check_dtype=False)
    pd.testing.assert_frame_equal(pd.read_csv(path.with_suffix(".csv")), frame, check_dtype=False)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_table(tmp_path, "checks", pd.DataFrame({"a": [1]}))

    def broken(self: pd.DataFrame, target: Path, **_: object) -> None:
        target.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", broken)
    with pytest.raises(OSError, match="disk full"):
        write_table(tmp_path, "checks", pd.DataFrame({"a": [2]}))
    assert pd.read_parquet(path)["a"].tolist() == [1]
    assert {entry.name for entry in tmp_path.iterdir()} == {"checks.parquet", "checks.csv"}


def test_bytes_that_are_no_text_are_written_as_escapes(tmp_path: Path) -> None:
    message = b"died: \xff".decode("utf-8", "surrogateescape")
    path = write_table(tmp_path, "checks", pd.DataFrame({"message": pd.Series([message], dtype=object)}))
    assert pd.read_parquet(path)["message"].tolist() == ["died: \\udcff"]


def test_an_empty_frame_keeps_its_columns(tmp_path: Path) -> None:
    path = write_table(tmp_path, "timings", pd.DataFrame(columns=["a", "b"]))
    assert list(pd.read_parquet(path).columns) == ["a", "b"]

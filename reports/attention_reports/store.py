"""Frames on disk: Parquet for programs, CSV beside it for people."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd


def write_table(folder: str | Path, name: str, frame: pd.DataFrame) -> Path:
    """Write `<name>.parquet` and `<name>.csv`, each whole or not at all, and return the Parquet file's path.

    A reader never meets half a file: each is written beside its place and moved there. OSError where that fails.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    frame = frame.reset_index(drop=True).map(_encodable)
    write_csv(folder, name, frame)
    target = folder / f"{name}.parquet"
    _replace(target, lambda path: frame.to_parquet(path, index=False))
    return target


def write_csv(folder: Path, name: str, frame: pd.DataFrame) -> Path:
    """Write `<name>.csv` in UTF-8, whole or not at all."""
    target = folder / f"{name}.csv"
    _replace(target, lambda path: frame.to_csv(path, index=False, lineterminator="\n"))
    return target


def write_text(target: Path, text: str) -> Path:
    """Write a UTF-8 text file, whole or not at all."""
    _replace(target, lambda path: path.write_text(text, encoding="utf-8", newline="\n"))
    return target


def _encodable(value: Any) -> Any:
    """Messages of crashed processes may hold bytes that are no text; they are written as escapes."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _replace(target: Path, write: Callable[[Path], object]) -> None:
    temporary = target.with_name(f".{target.name}.{uuid4().hex}")
    try:
        write(temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)

"""Writes the report of the example run again, from its tables alone: `python reports/example/rebuild.py FOLDER`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import attention_reports as reports

RECORDS = ("run.json", "*.parquet", "cases/*.json")


def rebuild(folder: Path) -> Path:
    """Copies what the run recorded into the folder and writes the report there; returns the page."""
    here = Path(__file__).parent
    for source in (path for pattern in RECORDS for path in here.glob(pattern)):
        target = folder / source.relative_to(here)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return reports.write_report(folder)


if __name__ == "__main__":
    page = rebuild(Path(sys.argv[1]))
    print(f"report: {page} ({page.stat().st_size // 1000} kB)")

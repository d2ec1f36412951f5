"""Records of a run become tables, Parquet, CSV, Markdown, HTML and terminal output. Knows no framework."""

import json
from collections.abc import Sequence
from pathlib import Path

from attention_reports.comparison.comparison import Comparison
from attention_reports.comparison.terminal import print_comparison
from attention_reports.load import ReportError, Run
from attention_reports.schema import FRAMES
from attention_reports.store import write_csv, write_table, write_text
from attention_reports.terminal import print_audit, print_checks, print_profile, print_timings

__all__ = [
    "Comparison", "ReportError", "Run", "print_audit", "print_checks", "print_comparison", "print_profile", "print_timings",
    "write_comparison", "write_matrix", "write_report", "write_table",
]  # fmt: skip


def write_report(folder: str | Path) -> Path:
    """Write report.html, report.md and a CSV beside each table of a run folder; returns the path of report.html.

    Raises ReportError where the folder holds no run, or a damaged one; then nothing is written.
    """
    from attention_reports import markdown, page  # matplotlib takes a second to import, which only this function needs

    run = Run.load(folder)
    html, comment = page.render(run), markdown.render(run)
    for name in FRAMES:
        if (run.folder / f"{name}.parquet").is_file():
            write_csv(run.folder, name, getattr(run, name))
    write_text(run.folder / "report.md", comment)
    return write_text(run.folder / "report.html", html)


def write_comparison(comparison: Comparison, folder: str | Path) -> Path:
    """Write compare.html, compare.md and the tables `changed_checks` and `changed_timings`; returns the path of compare.html."""
    from attention_reports.comparison import markdown, page

    folder = Path(folder)
    html, comment = page.render(comparison), markdown.render(comparison)
    write_table(folder, "changed_checks", comparison.checks)
    write_table(folder, "changed_timings", comparison.timings)
    write_text(folder / "compare.md", comment)
    return write_text(folder / "compare.html", html)


def write_matrix(runs: Sequence[Run], folder: str | Path, before: str | Path | None = None) -> Path:
    """Write matrix.html, matrix.json and badge.svg of all runs together; returns the path of matrix.html.

    `before` is the matrix.json of another time, from which the page says what changed. Raises ReportError for one that is none.
    """
    from attention_reports.features import document, page
    from attention_reports.features.measurements import entries

    folder, joined = Path(folder), entries(runs)
    folder.mkdir(parents=True, exist_ok=True)
    stored = document.document(joined)
    changes = document.changes(document.read(Path(before)), stored) if before else None
    stored |= {"changes": changes.to_json() if changes else None}
    write_text(folder / "matrix.json", json.dumps(stored, sort_keys=True))
    write_text(folder / "badge.svg", page.badge(joined))
    return write_text(folder / "matrix.html", page.render(joined, changes))

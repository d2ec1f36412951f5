"""The commands: each prints how many comparisons came out how, then the rows as JSON lines where --json names a file."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

from attention_harness.timing.validation import counted, tools

app = typer.Typer(add_completion=False, help=__doc__)
Sessions = Annotated[int, typer.Option(help="How many sessions, each of fresh processes.")]
Seconds = Annotated[float, typer.Option(help="Timed seconds per workload.")]
Into = Annotated[Path | None, typer.Option("--json", help="File for the rows.")]


@app.command()
def same(sessions: Sessions = 10, copies: int = 5, seconds: Seconds = 3.0, into: Into = None) -> None:
    """Identical code beside a busy neighbour: whatever is decided is wrong."""
    tell(counted.same(sessions, copies, seconds), into)


@app.command()
def slower(share: float, sessions: Sessions = 50, seconds: Seconds = 5.0, into: Into = None) -> None:
    """A planted slow-down of SHARE (0.1 is 10 %)."""
    tell(counted.slower(sessions, share, seconds), into)


@app.command()
def printed(sessions: Sessions = 20, seconds: Seconds = 3.0, into: Into = None) -> None:
    """Slow-downs as large as the smallest that a session before said it could decide."""
    tell(counted.printed(sessions, seconds), into)


@app.command()
def cheats(sessions: Sessions = 1, seconds: Seconds = 3.0, into: Into = None) -> None:
    """Outputs kept, work put off, work left out."""
    tell(counted.cheats(sessions, seconds), into)


@app.command()
def honest(
    rows: Annotated[int, typer.Option(help="How many rows, each an implementation on a workload.")] = 2000,
    busy: Annotated[bool, typer.Option(help="Beside a process that keeps a core busy half of the time.")] = True,
    into: Into = None,
) -> None:
    """Everything registered, at three durations: whatever is INVALID is accused wrongly."""
    found: list[dict[str, Any]] = []
    for session in counted.honest(rows, busy):
        found += session
        typer.echo(_accused(found), err=True)
    tell(found, into, ("seconds",))
    typer.echo(_accused(found))


def _accused(rows: list[dict[str, Any]]) -> str:
    invalid = sum(row["verdict"] == "INVALID" for row in rows)
    undecided = sum(str(row["reason"]).startswith("undecided") for row in rows)
    return f"INVALID: {invalid} of {len(rows)}; honesty undecided: {undecided}"


@app.command("tools")
def tools_(comparisons: int = 20, share: float = 0.1, into: Into = None) -> None:
    """pytest-benchmark, torch.utils.benchmark, pyperf and this timing on the same comparisons, beside a busy neighbour."""
    tell(tools.beside_each_other(comparisons, share), into, ("tool", "planted"))


def tell(rows: list[dict[str, Any]], into: Path | None, by: tuple[str, ...] = ("implementation",)) -> None:
    """Counts of verdicts by these columns, and the median seconds that one took."""
    for key in sorted({tuple(str(row[name]) for name in by) for row in rows}):
        own = [row for row in rows if tuple(str(row[name]) for name in by) == key]
        counts = ", ".join(f"{verdict} {count}" for verdict, count in Counter(row["verdict"] for row in own).most_common())
        typer.echo(f"{' '.join(key)}: {len(own)} comparisons: {counts}; {median(row['took'] for row in own):.1f} s each")
    if into:
        into.write_text("".join(json.dumps(row, default=str) + "\n" for row in rows))


if __name__ == "__main__":
    app(prog_name="python -m attention_harness.timing.validation")

"""The commands: each prints counts of verdicts, and writes the rows as JSON lines where --json names a file."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from attention_harness.timing.analysis.tables import Row
from attention_harness.timing.validation import simulated, tools, trials

app = typer.Typer(add_completion=False, help=__doc__)
Sessions = Annotated[int, typer.Option(help="How many sessions, each of fresh processes.")]
Seconds = Annotated[float, typer.Option(help="Timed seconds per workload.")]
Into = Annotated[Path | None, typer.Option("--json", help="File for the rows.")]


@app.command()
def same(sessions: Sessions = 10, copies: int = 5, seconds: Seconds = 3.0, into: Into = None) -> None:
    """Identical code beside a busy neighbour: every decision is wrong."""
    print_summary(trials.same(sessions, copies, seconds), into)


@app.command()
def slower(share: float, sessions: Sessions = 50, seconds: Seconds = 5.0, into: Into = None) -> None:
    """A planted slow-down of SHARE (0.1 is 10 %)."""
    print_summary(trials.slower(sessions, share, seconds), into)


@app.command()
def printed(sessions: Sessions = 20, seconds: Seconds = 3.0, into: Into = None) -> None:
    """Slow-downs as large as the smallest detectable one of an earlier session."""
    print_summary(trials.printed(sessions, seconds), into)


@app.command()
def cheats(sessions: Sessions = 1, seconds: Seconds = 3.0, into: Into = None) -> None:
    """Outputs kept, work put off, work left out, clocks slowed: every verdict but INVALID is wrong."""
    print_summary(trials.cheats(sessions, seconds), into)


@app.command()
def honest(
    rows: Annotated[int, typer.Option(help="How many rows, each an implementation on a workload.")] = 2000,
    busy: Annotated[bool, typer.Option(help="Beside a process that keeps a core busy half of the time.")] = True,
    into: Into = None,
) -> None:
    """Everything registered, at three durations: every INVALID is wrong."""
    all_rows: list[Row] = []
    for session in trials.honest(rows, busy):
        all_rows += session
        typer.echo(_accused(all_rows), err=True)
    print_summary(all_rows, into, ("seconds",))
    typer.echo(_accused(all_rows))


def _accused(rows: list[Row]) -> str:
    invalid = sum(row["verdict"] == "INVALID" for row in rows)
    undecided = sum(str(row["reason"]).startswith("undecided") for row in rows)
    return f"INVALID: {invalid} of {len(rows)}; honesty undecided: {undecided}"


@app.command("tools")
def tools_(comparisons: int = 20, share: float = 0.1, into: Into = None) -> None:
    """pytest-benchmark, torch.utils.benchmark, pyperf and this timing on the same comparisons, beside a busy neighbour."""
    print_summary(tools.beside_each_other(comparisons, share), into, ("tool", "planted"))


@app.command()
def stopping(
    trials: Annotated[int, typer.Option(help="Timings of each kind, all made up.")] = 4000,
    tails: Annotated[bool, typer.Option(help="Outliers as of Student's t with 3 degrees of freedom.")] = False,
) -> None:
    """Made-up rounds through the rule that ends comparisons early, beside the same rounds without it. Times nothing."""
    every = list(simulated.all_errors(trials, tails))
    for one in every:
        typer.echo(
            f"ratio {one.ratio:.2f}, noise {one.noise:.0%}, {one.rounds} rounds a process: {one.ended:.1%} ended early, "
            f"decided {one.decided:.2%} ({one.plain_decided:.2%} without), ratio outside {one.missed:.1%} "
            f"({one.plain_missed:.1%}), shift {one.shift:+.2f}"
        )
    false = [one for one in every if one.ratio == 1]
    typer.echo(
        f"at most: false decisions {max(one.decided for one in false):.2%} "
        f"({max(one.plain_decided for one in false):.2%} without), ratio outside {max(one.missed for one in every):.1%} "
        f"({max(one.plain_missed for one in every):.1%}), shift {max(abs(one.shift) for one in every):.2f} standard errors"
    )


def print_summary(rows: list[Row], into: Path | None, by: tuple[str, ...] = ("implementation",)) -> None:
    """Counts of verdicts by these columns, and the median seconds that one took."""
    for key in sorted({tuple(str(row[name]) for name in by) for row in rows}):
        own = [row for row in rows if tuple(str(row[name]) for name in by) == key]
        counts = ", ".join(f"{verdict} {count}" for verdict, count in Counter(row["verdict"] for row in own).most_common())
        typer.echo(f"{' '.join(key)}: {len(own)} comparisons: {counts}; {median(float(row['took']) for row in own):.1f} s each")
    if into:
        into.write_text("".join(json.dumps(row, default=str) + "\n" for row in rows))


if __name__ == "__main__":
    app(prog_name="python -m attention_harness.timing.validation")

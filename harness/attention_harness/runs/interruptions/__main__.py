"""`python -m attention_harness.runs.interruptions` prints a table: what was lost after each fault, and what was false.

Each fault strikes at a random moment of a small check of two functions, one of them wrong. A row is lost if an undisturbed
check has it, and false if that has not. Times do not count.
"""

from __future__ import annotations

import signal
import tempfile
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from random import Random
from typing import Annotated

import typer

from attention_harness.runs.interruptions import faults as faults  # which registers them
from attention_harness.runs.interruptions.trial import FAULTS, Undisturbed, measured, rows_of, trial_in


@dataclass
class Score:
    """The repeats of one fault."""

    repeats: int = 0
    resumed: int = 0
    lost: int = 0
    false: int = 0
    unfinished: int = 0

    def add(self, times: int, rows: Counter[str], wanted: Counter[str]) -> None:
        """One more repeat."""
        self.repeats += 1
        self.resumed += times > 0
        self.unfinished += times < 0
        self.lost += (wanted - rows).total()
        self.false += (rows - wanted).total()


def tried(words: str, repeats: int, undisturbed: Undisturbed, seed: int) -> Score:
    """The score of a fault."""
    score = Score()
    for repeat in range(repeats):
        with tempfile.TemporaryDirectory(prefix="interruption-", ignore_cleanup_errors=True) as folder:
            trial = trial_in(Path(folder) / "work", Random(f"{words} {seed} {repeat}"), undisturbed)
            try:
                FAULTS[words](trial)
                times = trial.go_on()
                score.add(times, rows_of(trial.run) if times >= 0 else Counter(), undisturbed.rows)
            finally:
                trial.close()
    return score


def main(
    repeats: Annotated[int, typer.Option(help="Repeats of each fault.")] = 20,
    only: Annotated[str, typer.Option(help="Faults whose words fit this pattern.")] = "*",
    seed: Annotated[int, typer.Option(help="Decides the moments.")] = 0,
) -> None:
    """Prints a row of a Markdown table for each fault."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # `nohup` passes on that it is ignored
    with tempfile.TemporaryDirectory(prefix="interruption-") as folder:
        undisturbed = measured(Path(folder) / "work")
    typer.echo(f"{undisturbed.rows.total()} rows, {undisturbed.records} records, {undisturbed.seconds:.1f} s\n")
    typer.echo("| fault | repeats | resumed | rows lost | false rows |\n|---|---|---|---|---|")
    bad = 0
    for words in FAULTS:
        if fnmatchcase(words, only):
            score = tried(words, repeats, undisturbed, seed)
            bad += score.lost + score.false + score.unfinished
            unfinished = f", {score.unfinished} never ended" if score.unfinished else ""
            typer.echo(f"| {words} | {score.repeats} | {score.resumed}{unfinished} | {score.lost} | {score.false} |")
    raise typer.Exit(bool(bad))


if __name__ == "__main__":
    typer.run(main)

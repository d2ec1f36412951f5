"""One check that is disturbed, and the registry of faults."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic, sleep

import psutil

from attention_harness.conformance.steps import step_records
from attention_specs.registry import Registry

FUNCTIONS = """
from attention_implementations.numpy import eager


def right(q, k, v, *, is_causal=False):
    return eager.attention(q, k, v, is_causal=is_causal)


def wrong(q, k, v, *, is_causal=False):
    return eager.attention(q, k, v, is_causal=is_causal) + 1
"""
PROPERTIES = ("output_agrees_with_the_oracle", "errors_have_no_preferred_sign", "a_batch_entry_is_the_same_alone")
CHECK = ["mine.py:right", "mine.py:wrong", "--examples", "20", "--dtype", "float32"]
CHECK += [word for name in PROPERTIES for word in ("--property", name)]

SERVER, POOL = "attention_harness.process.server", "multiprocessing.spawn"
"""Words of the command line of a worker, and of a process of a pool."""

ENOUGH = 300.0
"""Seconds of a command, at most."""


@dataclass
class Trial:
    """One check in a working folder of its own. `seconds` and `records` are the time and the records of an undisturbed one."""

    folder: Path
    random: Random
    seconds: float
    records: int
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """A command in a process group of its own."""
        paths = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        command = [sys.executable, "-m", "attention_harness", *words]
        with (self.folder / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=self.folder, env=os.environ | {"PYTHONPATH": paths}, stdout=log, stderr=log, start_new_session=True
            )
        self.started.append(process)
        return process

    def command(self, *words: str) -> int:
        """The exit status of a command, once it has ended."""
        return self.start(*words).wait(ENOUGH)

    def check(self, *more: str) -> subprocess.Popen[bytes]:
        """The check, at a random moment."""
        process = self.start("check", *CHECK, "--output", "run", *(more or ("--jobs", "1")))
        self.rest(process)
        return process

    def rest(self, process: subprocess.Popen[bytes], run: str = "run", records: int = 0) -> None:
        """Until a random number of records are there, one time in four for a random time; or until the check has ended."""
        by_time, share = self.random.random() < 0.25, self.random.random()
        start, wanted = monotonic(), share * (records or self.records)
        while process.poll() is None:
            if (monotonic() - start > share * self.seconds) if by_time else (number_of_records(self.folder / run) > wanted):
                return
            sleep(0.01)

    def strike(self, process: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> None:
        """A signal to the main process, which then ends."""
        process.send_signal(number)
        process.wait(ENOUGH)

    def those(self, process: subprocess.Popen[bytes], word: str) -> list[psutil.Process]:
        """Descendants with this word in their command line."""
        try:
            children = psutil.Process(process.pid).children(recursive=True)
            return [child for child in children if any(word in part for part in child.cmdline())]
        except psutil.Error:
            return []

    def kill(self, processes: list[psutil.Process]) -> None:
        """Kills them all."""
        for process in processes:
            if process.is_running():
                process.kill()

    @property
    def run(self) -> Path:
        """The folder of the run."""
        return self.folder / "run"

    @property
    def begun(self) -> bool:
        """Whether there is a run to go on with."""
        return (self.run / "run.json").exists()

    @property
    def complete(self) -> bool:
        """Whether the run has come to its end."""
        return self.begun and bool(json.loads((self.run / "run.json").read_text())["complete"])

    def go_on(self) -> int:
        """Resumes the run until it is complete, or begins it if nothing of it is there; returns how often."""
        for times in range(4):
            if self.complete:
                return times
            self.command(*(["check", "--resume", "run"] if self.begun else ["check", *CHECK, "--output", "run"]))
        return -1

    def close(self) -> None:
        """Ends what is left."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait(ENOUGH)


FAULTS: Registry[Callable[[Trial], None]] = Registry("fault")
"""Fault in words -> what it does to a trial."""


def fault(words: str) -> Callable[[Callable[[Trial], None]], Callable[[Trial], None]]:
    """Registers a fault."""

    def register(strike: Callable[[Trial], None]) -> Callable[[Trial], None]:
        FAULTS.register(strike, words)
        return strike

    return register


def number_of_records(run: Path) -> int:
    """The cases that a check has written down."""
    files = (run / step_records.FOLDER).glob("*.jsonl")
    return sum(_lines(file) for file in files)


def _lines(file: Path) -> int:
    try:
        return file.read_bytes().count(b'\n{"step"')
    except OSError:  # the check has ended
        return 0


def rows_of(folder: Path) -> Counter[str]:
    """The rows of a run, without times and places."""
    import pandas as pd

    frame = pd.read_parquet(folder / "checks.parquet").drop(columns=["seconds", "replay", "others"])
    return Counter(json.dumps(row, sort_keys=True, default=str) for row in frame.to_dict("records"))


@dataclass(frozen=True)
class Undisturbed:
    """A check that nothing disturbs: its rows, its seconds, and the number of its records."""

    rows: Counter[str]
    seconds: float
    records: int


def measured(folder: Path) -> Undisturbed:
    """That of this machine."""
    trial = trial_in(folder, Random(), Undisturbed(Counter(), 0.0, 0))
    start = monotonic()
    status = trial.command("check", *CHECK, "--output", "run", "--jobs", "1")
    seconds = monotonic() - start
    kept = trial.command("check", *CHECK, "--output", "kept", "--shard", "1/1", "--jobs", "1")
    assert (status, kept) == (1, 0), (folder / "log.txt").read_text()
    return Undisturbed(rows_of(trial.run), seconds, number_of_records(folder / "kept"))


def trial_in(folder: Path, random: Random, undisturbed: Undisturbed) -> Trial:
    """A trial in this folder, which has the functions."""
    folder.mkdir()
    (folder / "mine.py").write_text(FUNCTIONS)
    return Trial(folder, random, undisturbed.seconds, undisturbed.records)

"""Sessions of the timing on comparisons whose right verdict is known."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from time import monotonic

from attention_harness.registry.targets import Target, registered
from attention_harness.timing import Settings, bench, workloads
from attention_harness.timing.analysis.tables import Row
from attention_harness.timing.validation import cheats as cheating
from attention_harness.timing.validation import known_speed

WORKLOADS = ("bert-base-128", "gpt2-small-128", "llama3-8b-decode", "vit-b16-197")

DURATIONS = (0.5, 2.5, 4.5)
"""Timed seconds per workload: hasty, as in quick runs, as in full ones."""

HALF_BUSY = """
import os, random, time
while os.getppid() == {parent}:
    span = random.uniform(0.05, 0.5)
    end = time.perf_counter() + span
    while time.perf_counter() < end: pass
    time.sleep(span)
"""
"""A process that keeps a core busy half of the time, in random spells, until its parent ends."""


@contextmanager
def neighbour(wanted: bool) -> Iterator[None]:
    """Another process on the machine, if wanted."""
    if not wanted:
        yield
        return
    other = subprocess.Popen([sys.executable, "-c", HALF_BUSY.format(parent=os.getpid())])
    try:
        yield
    finally:
        other.kill()
        other.wait()


def session(
    targets: Sequence[Target], names: Sequence[str], seconds: float, seed: int, processes: int | None = None
) -> list[Row]:
    """Rows of `timings` without the baseline's, with the session's seconds under `took`."""
    began = monotonic()
    settings = Settings(seed=seed, baseline=known_speed.BASELINE, seconds_per_workload=seconds, replicas=processes)
    rows = bench(targets, workloads.named(names), settings).rows
    return [row | {"took": monotonic() - began} for row in rows if row["implementation"] != known_speed.BASELINE]


def same(sessions: int, copies: int, seconds: float) -> list[Row]:
    """Copies of the baseline against it, on four workloads, beside a busy neighbour: every decision is wrong."""
    targets = [known_speed.target("same", f"copy-{number}") for number in range(copies)]
    with neighbour(True):
        return [row for seed in range(sessions) for row in session(targets, WORKLOADS, seconds, seed)]


def slower(sessions: int, share: float, seconds: float) -> list[Row]:
    """One function that takes `share` longer, per session, on each of the workloads in turn."""
    os.environ[known_speed.SLOWER] = str(share)
    turns = [WORKLOADS[seed % len(WORKLOADS)] for seed in range(sessions)]
    return [row for seed, name in enumerate(turns) for row in session([known_speed.target("slower")], [name], seconds, seed)]


def printed(sessions: int, seconds: float) -> list[Row]:
    """A session with a copy of the baseline, then one with a slow-down as large as the smallest detectable one of the first."""
    rows = []
    for seed in range(sessions):
        name = WORKLOADS[seed % len(WORKLOADS)]
        (first,) = session([known_speed.target("same")], [name], seconds, seed)
        os.environ[known_speed.SLOWER] = str(first["smallest_detectable"])
        rows += session([known_speed.target("slower")], [name], seconds, seed + 1000)
    return rows


def cheats(sessions: int, seconds: float) -> list[Row]:
    """All cheats, each alone beside the baseline, on the workloads in turn."""
    rows: list[Row] = []
    for seed in range(sessions):
        for number, target in enumerate(all_cheats()):
            rows += session([target], [WORKLOADS[(seed + number) % len(WORKLOADS)]], seconds, seed)
    return rows


def all_cheats() -> list[Target]:
    """Those of `known_speed`, and those of `cheats`."""
    others = [Target(name, f"{cheating.__name__}:{name}", registered=False) for name in cheating.CHEATS]
    return [known_speed.target(name) for name in ("keeping", "early", "tiring")] + others


def honest(wanted: int, busy: bool) -> Iterator[list[Row]]:
    """So many rows, or a few more, of everything registered that can be timed here, at each duration in turn: none is a cheat.

    Session by session, of one process each, because the look at honesty is in the first.
    """
    with neighbour(busy):
        for seed, seconds in enumerate(cycle(DURATIONS)):
            timed = session(registered(), WORKLOADS, seconds, seed, processes=1)
            rows = [row | {"seconds": seconds} for row in timed if row["verdict"] != "UNSUPPORTED"]
            yield rows
            wanted -= len(rows)
            if wanted <= 0:
                return

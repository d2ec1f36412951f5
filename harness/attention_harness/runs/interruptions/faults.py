"""The faults: what is done to a check while it goes on. To add one is one function."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from time import sleep

from attention_harness.conformance.steps import step_records
from attention_harness.runs import journal
from attention_harness.runs.interruptions.trial import CHECK, POOL, SERVER, Trial, fault

FULL = Path("/dev/full")
"""The device on which every write says that no space is left."""


@fault("the main process is killed")
def main_process(trial: Trial) -> None:
    """One process checks."""
    trial.strike(trial.check())


@fault("the main process is killed, two jobs")
def main_process_of_a_pool(trial: Trial) -> None:
    """Processes of a pool check."""
    trial.strike(trial.check("--jobs", "2"))


@fault("the main process is killed three times in a row")
def again_and_again(trial: Trial) -> None:
    """Each time later in the check."""
    trial.strike(trial.check())
    for _ in range(2):
        if trial.begun and not trial.complete:
            process = trial.start("check", "--resume", "run", "--jobs", "1")
            trial.rest(process)
            trial.strike(process)


@fault("the whole process group is killed")
def group(trial: Trial) -> None:
    """As a job that a scheduler ends."""
    process = trial.check("--jobs", "2")
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@fault("SIGTERM")
def terminated(trial: Trial) -> None:
    """As a container that stops."""
    trial.strike(trial.check(), signal.SIGTERM)


@fault("SIGINT, two jobs")
def interrupted(trial: Trial) -> None:
    """As Ctrl-C."""
    trial.strike(trial.check("--jobs", "2"), signal.SIGINT)


@fault("SIGHUP")
def hung_up(trial: Trial) -> None:
    """As a terminal that is closed."""
    trial.strike(trial.check(), signal.SIGHUP)


def _killed(trial: Trial, word: str, *jobs: str, most: int | None = None) -> None:
    """Processes that the check has started are killed, so many at most; the check goes on, or ends by itself."""
    process = trial.check(*jobs)
    trial.kill(trial.those(process, word)[:most])
    process.wait()


@fault("a process of the pool is killed")
def pool_process(trial: Trial) -> None:
    """As by the system, for want of memory."""
    _killed(trial, POOL, "--jobs", "2", most=1)


@fault("all processes of the pool are killed")
def pool_processes(trial: Trial) -> None:
    """At once."""
    _killed(trial, POOL, "--jobs", "2")


@fault("SIGTERM to a process of the pool")
def pool_process_terminated(trial: Trial) -> None:
    """By an operator."""
    process = trial.check("--jobs", "2")
    for one in trial.those(process, POOL)[:1]:
        one.terminate()
    process.wait()


@fault("a worker is killed")
def worker(trial: Trial) -> None:
    """As by the system, for want of memory."""
    _killed(trial, SERVER, most=1)


@fault("all workers are killed")
def workers(trial: Trial) -> None:
    """At once."""
    _killed(trial, SERVER, "--jobs", "2")


@fault("the workers stand still for two seconds")
def still_workers(trial: Trial) -> None:
    """Less than a call may take."""
    process = trial.check()
    stopped = trial.those(process, SERVER)
    for one in stopped:
        one.suspend()
    sleep(2)
    for one in stopped:
        if one.is_running():
            one.resume()
    process.wait()


@fault("the main process stands still for two seconds")
def still_main(trial: Trial) -> None:
    """As on a machine that sleeps."""
    process = trial.check()
    process.send_signal(signal.SIGSTOP)
    sleep(2)
    process.send_signal(signal.SIGCONT)
    process.wait()


def _damaged(path: Path, trial: Trial, garbage: bool = False) -> None:
    """The file ends within a line, or behind bytes of something else."""
    if path.exists() and path.stat().st_size:
        data = path.read_bytes()
        path.write_bytes(data[: trial.random.randrange(len(data))] + (trial.random.randbytes(300) if garbage else b""))


@fault("the records of the cases are cut off anywhere")
def cut_records(trial: Trial) -> None:
    """As by a file system that lost what was not yet on the disk."""
    trial.strike(trial.check())
    for path in (trial.run / step_records.FOLDER).glob("*"):
        _damaged(path, trial)


@fault("the records of the cases end in garbage")
def garbage_in_records(trial: Trial) -> None:
    """Bytes of something else."""
    trial.strike(trial.check())
    for path in (trial.run / step_records.FOLDER).glob("*"):
        _damaged(path, trial, garbage=True)


@fault("the records of the implementations are cut off anywhere")
def cut_results(trial: Trial) -> None:
    """Those that are finished."""
    trial.strike(trial.check())
    _damaged(journal.path_of(trial.run), trial)


@fault("the records of the cases are gone")
def no_records(trial: Trial) -> None:
    """Somebody removed them."""
    trial.strike(trial.check())
    for path in (trial.run / step_records.FOLDER).glob("*"):
        path.unlink()


def _fill(path: Path, process: subprocess.Popen[bytes]) -> None:
    """No space is left for this file until the command has ended."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = path.read_bytes() if path.exists() else None
    beside = path.with_name(f"{path.name}.full")
    beside.symlink_to(FULL)
    beside.replace(path)
    process.wait()
    path.unlink(missing_ok=True)
    if kept is not None and path.parent.exists():
        path.write_bytes(kept)


@fault("the disk is full when a case is written")
def full_for_a_case(trial: Trial) -> None:
    """There is space again when the run goes on."""
    process = trial.check()
    for path in sorted((trial.run / step_records.FOLDER).glob("*"))[-1:]:
        if process.poll() is None:
            _fill(path, process)
    process.wait()


@fault("the disk is full when an implementation is written")
def full_for_a_result(trial: Trial) -> None:
    """There is space again when the run goes on."""
    process = trial.check()
    if process.poll() is None and trial.run.exists():
        _fill(journal.path_of(trial.run), process)
    process.wait()


@fault("the disk is full when the run is completed")
def full_at_the_end(trial: Trial) -> None:
    """There is space again when the run goes on."""
    process = trial.check()
    if process.poll() is None and trial.run.exists():
        _fill(trial.run / "run.json.partial", process)
    process.wait()


@fault("two checks into one folder")
def two_runs(trial: Trial) -> None:
    """The second is refused."""
    process = trial.start("check", *CHECK, "--output", "run", "--jobs", "1")
    trial.rest(process)
    trial.command("check", *CHECK, "--output", "run", "--jobs", "1")
    process.wait()


@fault("two commands resume one run")
def two_resumes(trial: Trial) -> None:
    """One is refused."""
    trial.strike(trial.check())
    if trial.begun:
        both = [trial.start("check", "--resume", "run", "--jobs", "1") for _ in range(2)]
        for process in both:
            process.wait()


@fault("one job before the kill, two after")
def other_jobs(trial: Trial) -> None:
    """Nothing depends on their number."""
    trial.strike(trial.check())
    if trial.begun and not trial.complete:
        trial.command("check", "--resume", "run", "--jobs", "2")


@fault("a shard is killed, goes on, and is merged")
def shard(trial: Trial) -> None:
    """The second of two."""
    trial.command("check", *CHECK, "--output", "one", "--shard", "1/2", "--jobs", "1")
    process = trial.start("check", *CHECK, "--output", "two", "--shard", "2/2", "--jobs", "1")
    trial.rest(process, "two", trial.records // 2)
    trial.strike(process)
    if (trial.folder / "two" / "run.json").exists():
        trial.command("check", "--resume", "two")
    else:
        trial.command("check", *CHECK, "--output", "two", "--shard", "2/2")
    trial.command("merge", "one", "two", "--output", "run")


@fault("`merge` is killed, and the run goes on")
def merging(trial: Trial) -> None:
    """Of two shards."""
    for number in (1, 2):
        trial.command("check", *CHECK, "--output", f"part-{number}", "--shard", f"{number}/2", "--jobs", "1")
    process = trial.start("merge", "part-1", "part-2", "--output", "run", "--jobs", "1")
    trial.rest(process)
    sleep(trial.random.uniform(0.0, 0.3) * trial.seconds)  # all records are there as soon as it begins
    trial.strike(process)

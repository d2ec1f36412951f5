"""The executors of a run: processes of this machine, or a Ray cluster. Same work, same records."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from multiprocessing.context import SpawnContext
from multiprocessing.queues import SimpleQueue
from typing import TypedDict, TypeVar

from attention_harness.conformance import check
from attention_harness.conformance.check import CheckResult, Plan
from attention_harness.conformance.plan import Listener
from attention_harness.errors import UsageError
from attention_harness.frameworks import installed
from attention_harness.process.relatives import die_with_parent
from attention_harness.registry.targets import Target, spec_by_name
from attention_harness.runs import ending, journal

Item = TypeVar("Item")
Result = TypeVar("Result")
Step = Callable[..., None]
"""Called with the name of a function that made a step; by a check also with a failure, in a sentence."""
Ticks = SimpleQueue[tuple[str, ...] | None]
"""Arguments for `step`, from all processes of a pool; None is the end."""

SIDE_BY_SIDE = 4
"""Targets that are checked side by side, at most: each has a process, and a run that is interrupted loses those that go on."""

RESTARTS = 2
"""Of a pool whose process was killed, by the system for one."""

SAFE_PATH = "PYTHONSAFEPATH"
"""Environment variable: Python does not put the working directory in front of the module path."""

Executor = Callable[[Sequence[Target], Plan, int, Step], Iterator[CheckResult]]


def local(targets: Sequence[Target], plan: Plan, jobs: int, step: Step) -> Iterator[CheckResult]:
    """Shares of the targets in processes of a pool, finished ones first. Foreign code runs in the worker of its target alone."""
    shares = shares_of(targets, jobs)
    if len(shares) == 1:
        yield from _check((shares[0], plan), step)
        return
    for lines in map_in_pool(_check_to_lines, [(share, plan) for share in shares], jobs, step):
        yield from map(journal.read, lines)


def shares_of(targets: Sequence[Target], jobs: int) -> list[list[Target]]:
    """Targets that go side by side: those of one folder, which share a framework, sorted by their spec.

    Each folder is spread over all jobs, so that no process is left with all that compile.
    """
    ordered = sorted(targets, key=lambda target: (_folder(target), spec_by_name(target.name)))
    groups = [list(group) for _, group in groupby(ordered, _folder)]
    sizes = [min(SIDE_BY_SIDE, -(-len(group) // jobs)) for group in groups]
    return [
        group[first : first + size] for group, size in zip(groups, sizes, strict=True) for first in range(0, len(group), size)
    ]


def _folder(target: Target) -> str:
    return target.location.rpartition(".")[0] if target.registered else ""


def map_in_pool(work: Callable[[Item, Step], Result], items: Sequence[Item], jobs: int, step: Step) -> Iterator[Result]:
    """The result of `work(item, step)` for each item, in processes of a pool, finished ones first; `step` is called here.

    Where a process is killed, a new pool goes on with the items that have no result, so many times at most.
    """
    left = dict(enumerate(items))
    for restarts in range(RESTARTS + 1):
        try:
            for place, result in _pooled(work, dict(left), jobs, step):
                del left[place]
                yield result
            return
        except BrokenProcessPool:
            if restarts == RESTARTS:
                raise


def _pooled(
    work: Callable[[Item, Step], Result], items: Mapping[int, Item], jobs: int, step: Step
) -> Iterator[tuple[int, Result]]:
    """Each result behind the place of its item. Raises BrokenProcessPool."""
    context = multiprocessing.get_context("spawn")
    connect = partial(_connect, os.environ.get(SAFE_PATH))
    with _safe_path(), _ticks(context, step) as ticks, ProcessPoolExecutor(jobs, context, connect, (ticks,)) as pool:
        futures = {pool.submit(_work, work, item): place for place, item in items.items()}
        try:
            yield from ((futures[future], future.result()) for future in as_completed(futures))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _ticks(context: SpawnContext, step: Step) -> Iterator[Ticks]:
    """A queue that calls `step` with the arguments put into it."""
    queue: Ticks = context.SimpleQueue()  # written by the caller itself: a process that dies elsewhere holds no lock

    def drain() -> None:
        for arguments in iter(queue.get, None):
            step(*arguments)

    thread = threading.Thread(target=drain, daemon=True)
    thread.start()
    try:
        yield queue
    finally:
        queue.put(None)
        thread.join()


@contextmanager
def _safe_path() -> Iterator[None]:
    """Processes that start meanwhile do not look for modules in the working directory: it may have a `random.py`."""
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        _restore(before)


def _restore(before: str | None) -> None:
    os.environ.pop(SAFE_PATH, None)
    if before is not None:
        os.environ[SAFE_PATH] = before


_queue: Ticks
"""The queue of the pool, in a process of the pool."""


def _connect(safe_path: str | None, queue: Ticks) -> None:
    """Begins a process of the pool. What it starts itself gets the environment that the command was given."""
    _restore(safe_path)
    die_with_parent()
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() != parent.pid:  # it died before it could be asked for the signal
        os._exit(1)
    ending.forward()
    global _queue
    _queue = queue


def _work(work: Callable[[Item, Step], Result], item: Item) -> Result:
    return work(item, lambda *arguments: _queue.put(arguments))


def _check(item: tuple[Sequence[Target], Plan], step: Step) -> list[CheckResult]:
    targets, plan = item
    return check.check_together(targets, plan, lambda name: Listener(partial(step, name), partial(step, name)))


def _check_to_lines(item: tuple[Sequence[Target], Plan], step: Step) -> list[str]:
    return [journal.written(result) for result in _check(item, step)]


def _check_to_line(target: Target, plan: Plan) -> str:
    return journal.written(check.check(target, plan))


class Cluster(TypedDict, total=False):
    """Arguments of ray.init for a cluster on this machine; none for another one."""

    num_cpus: int
    include_dashboard: bool


def ray(targets: Sequence[Target], plan: Plan, jobs: int, step: Step) -> Iterator[CheckResult]:
    """Each target as a task of a Ray cluster: the one that RAY_ADDRESS names, else one on this machine with `jobs` cores.

    The folder of the run must be one that all nodes see. A task whose node is lost is run again by Ray.
    """
    if reason := installed("ray"):
        raise UsageError(f"executor=ray, but should be local: {reason}")
    import ray

    cluster = Cluster() if "RAY_ADDRESS" in os.environ else Cluster(num_cpus=jobs, include_dashboard=False)
    ray.init(log_to_driver=False, logging_level=logging.ERROR, **cluster)
    try:
        task = ray.remote(num_cpus=1)(_check_to_line)
        waiting = [task.remote(target, plan) for target in targets]
        while waiting:
            finished, waiting = ray.wait(waiting)
            yield journal.read(ray.get(finished[0]))
    finally:
        ray.shutdown()


EXECUTORS: dict[str, Executor] = {"local": local, "ray": ray}

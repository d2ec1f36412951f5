"""The executors of a run: processes of this machine, or a Ray cluster. Same work, same records."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from multiprocessing.context import SpawnContext
from multiprocessing.queues import SimpleQueue
from typing import TypedDict, TypeVar

from attention_harness.conformance import check
from attention_harness.conformance.check import CheckResult, Plan
from attention_harness.errors import UsageError
from attention_harness.frameworks import installed
from attention_harness.process.server import die_with_parent
from attention_harness.registry.targets import Target
from attention_harness.runs import ending

Item = TypeVar("Item")
Result = TypeVar("Result")
Step = Callable[[str], None]
Ticks = SimpleQueue[str | None]
"""Names for `step`, from all processes of a pool; None is the end."""

SAFE_PATH = "PYTHONSAFEPATH"
"""Environment variable: Python does not put the working directory in front of the module path."""

Executor = Callable[[Sequence[Target], Plan, int, Step], Iterator[CheckResult]]


def local(targets: Sequence[Target], plan: Plan, jobs: int, step: Step) -> Iterator[CheckResult]:
    """Each target in a process of a pool, finished ones first, and a single one in this process: a pool takes 0.3 s to start.

    No foreign code runs there: that is in the target's worker.
    """
    if len(targets) == 1:
        yield _check((targets[0], plan), step)
    else:
        yield from map_in_pool(_check, [(target, plan) for target in targets], jobs, step)


def map_in_pool(work: Callable[[Item, Step], Result], items: Sequence[Item], jobs: int, step: Step) -> Iterator[Result]:
    """The result of `work(item, step)` for each item, in processes of a pool, finished ones first; `step` is called here."""
    context = multiprocessing.get_context("spawn")
    connect = partial(_connect, os.environ.get(SAFE_PATH))
    with _safe_path(), _ticks(context, step) as ticks, ProcessPoolExecutor(jobs, context, connect, (ticks,)) as pool:
        futures = [pool.submit(_work, work, item) for item in items]
        try:
            yield from (future.result() for future in as_completed(futures))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _ticks(context: SpawnContext, step: Step) -> Iterator[Ticks]:
    """A queue that calls `step` for each name put into it."""
    queue: Ticks = context.SimpleQueue()  # written by the caller itself: a process that dies elsewhere holds no lock

    def drain() -> None:
        for name in iter(queue.get, None):
            step(name)

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
    return work(item, _queue.put)


def _check(item: tuple[Target, Plan], step: Step) -> CheckResult:
    target, plan = item
    return check.check(target, plan, partial(step, target.name))


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
        task = ray.remote(num_cpus=1)(check.check)
        waiting = [task.remote(target, plan) for target in targets]
        while waiting:
            finished, waiting = ray.wait(waiting)
            yield ray.get(finished[0])
    finally:
        ray.shutdown()


EXECUTORS: dict[str, Executor] = {"local": local, "ray": ray}

"""The pytest plug-in `attention_harness`: its options, and the hooks that load the rest in a session with checks."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Protocol

import pytest

FOLDER = "attention_harness_folder"
"""What the controller of pytest-xdist gives its workers: the folder in which they share checks."""

folder_key = pytest.StashKey[str]()


class XdistWorker(Protocol):
    """A worker of pytest-xdist, as its controller sees it."""

    config: pytest.Config
    workerinput: dict[str, object]


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the plug-in."""
    group = parser.getgroup("attention-harness")
    target = "check this attention: package.module:function, file.py:function or a registered name; may be given several times"
    group.addoption("--attention-target", action="append", default=[], metavar="TARGET", help=target)
    examples = "cases to draw in each check that does not say so itself (150); 15 are a quick check"
    group.addoption("--attention-examples", type=int, metavar="N", help=examples)
    group.addoption("--attention-seed", type=int, metavar="N", help="seed of each check that does not say so itself (0)")


def pytest_configure(config: pytest.Config) -> None:
    """Names a wrong option before anything is collected."""
    if (examples := config.option.attention_examples) is not None and examples < 1:
        raise pytest.UsageError(f"--attention-examples={examples}, but should be above 0")
    if config.option.attention_target:
        from attention_harness.runs.pytest_plugin import targets

        ours = targets.wanted_tests(config)
        config.args = [argument for argument in config.args if argument not in ours]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: XdistWorker) -> None:
    """Gives a worker of pytest-xdist the folder of the session, the same for all."""
    stash = node.config.stash
    if folder_key not in stash:
        stash[folder_key] = mkdtemp(prefix="attention-harness-")
    node.workerinput[FOLDER] = stash[folder_key]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Removes the folder of the session."""
    if folder := config.stash.get(folder_key, None):
        rmtree(folder, ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Puts the targets behind the files of the session."""
    report = yield
    if isinstance(collector, pytest.Session) and collector.config.option.attention_target:
        from attention_harness.runs.pytest_plugin import targets

        report.result = [*([] if targets.alone(collector.config) else report.result), *targets.collectors(collector)]
    return report


def pytest_collection_finish(session: pytest.Session) -> None:
    """Prepares the checks of the tests that are left, if there are any."""
    if f"{__name__}.property_check" in sys.modules:
        from attention_harness.runs.pytest_plugin import session_checks

        folder = getattr(session.config, "workerinput", {}).get(FOLDER)
        session_checks.prepare(session, Path(folder) if folder else None)

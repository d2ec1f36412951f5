"""Tests without a file: one for each property of each `--attention-target`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from attention_harness.errors import UsageError
from attention_harness.registry.targets import Target, resolve
from attention_harness.runs.check_attention import path_as_before
from attention_harness.runs.pytest_plugin.property_check import PropertyCheck, properties_by_name
from attention_harness.runs.pytest_plugin.shared_check import SharedCheck


def resolved(config: pytest.Config) -> list[Target]:
    """The targets that the session is asked to check."""
    try:
        with path_as_before():
            return resolve(config.option.attention_target)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error


def node_id(config: pytest.Config, name: str) -> str:
    """The name of a target or of one of its tests, as from the root of the session in place of the working directory."""
    return os.path.relpath(config.invocation_params.dir / name, config.rootpath)


def wanted_tests(config: pytest.Config) -> set[str]:
    """The single tests of targets, named among the files and folders of the command line as `file.py:function::function-P4`."""
    targets = {node_id(config, target.name) for target in resolved(config)}
    ids = (argument for argument in config.option.file_or_dir if "::" in argument)
    return {one for one in ids if node_id(config, one.partition("::")[0]) in targets}


def alone(config: pytest.Config) -> bool:
    """Whether the targets are all that is wanted: they are named on the command line, and no file or folder is named beside."""
    named = any(str(argument).startswith("--attention-target") for argument in config.invocation_params.args)
    return named and set(config.option.file_or_dir) <= wanted_tests(config)


def collectors(session: pytest.Session) -> Iterator[TargetTests]:
    """One for each target."""
    for target in resolved(session.config):
        yield TargetTests.from_parent(session, name=target.name, nodeid=node_id(session.config, target.name))


class TargetTests(pytest.Collector):
    """The tests of one target."""

    def collect(self) -> list[PropertyTest]:
        """One test for each property, or those that are named on the command line."""
        tests = {test.nodeid: test for test in self._tests()}
        wanted = {node_id(self.config, one) for one in wanted_tests(self.config)}
        if unknown := [id for id in wanted if id.startswith(f"{self.nodeid}::") and id not in tests]:
            raise self.CollectError(f"test={unknown[0]}, but should be one that `--collect-only` shows")
        return [test for id, test in tests.items() if id in wanted or not wanted]

    def _tests(self) -> Iterator[PropertyTest]:
        properties = properties_by_name(self.name)
        shared = SharedCheck(self.name, [one.name for one in properties], [], {})
        for one in properties:
            name = f"{self.name.rpartition(':')[2]}-{one.id}"
            test: PropertyTest = PropertyTest.from_parent(self, name=name)
            test.check = PropertyCheck(shared, one)
            yield test


class PropertyTest(pytest.Item):
    """The test of one property."""

    check: PropertyCheck

    def runtest(self) -> None:
        """Fails with the text of the failure alone."""
        try:
            self.check()
        except AssertionError as failure:
            raise pytest.fail.Exception(str(failure), pytrace=False) from None

    def reportinfo(self) -> tuple[Path, None, str]:
        """Place and name for reports."""
        return self.path, None, self.name

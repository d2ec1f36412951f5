"""The checks of a session: prepared after the collection, and noted with each test that ran."""

from __future__ import annotations

from collections.abc import Generator
from hashlib import sha256
from pathlib import Path

import pytest

from attention_harness.runs.pytest_plugin.property_check import PropertyCheck
from attention_harness.runs.pytest_plugin.shared_check import SharedCheck
from attention_harness.runs.pytest_plugin.targets import PropertyTest


def check_of(item: pytest.Item) -> PropertyCheck | None:
    """The check that a test has, as an argument if not by itself."""
    if isinstance(item, PropertyTest):
        return item.check
    arguments = item.callspec.params.values() if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ()
    return next((one for one in arguments if isinstance(one, PropertyCheck)), None)


def prepare(session: pytest.Session, folder: Path | None) -> None:
    """Each check judges the selected properties alone, by the options of the session, once for all processes."""
    tests: dict[SharedCheck, list[tuple[str, str]]] = {}
    for item in session.items:
        if check := check_of(item):
            tests.setdefault(check.shared, []).append((item.nodeid, check.property.name))
    option = session.config.option
    for shared, selected in tests.items():
        shared.narrow({name for _, name in selected})
        shared.default(examples=option.attention_examples, seed=option.attention_seed)
        if folder and folder.is_dir():  # not on another machine
            shared.place = folder / f"{sha256(min(selected)[0].encode()).hexdigest()}.json"
    session.config.pluginmanager.register(Notes(), "attention_harness_notes")


class Notes:
    """The hook that notes how a test can be repeated."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Adds seed, versions, case and replay line to the properties of the test."""
        try:
            return (yield)
        finally:
            if check := check_of(item):
                item.user_properties.extend(check.user_properties())

"""The verdict on one property as the outcome of a test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from attention_harness.conformance.check import load_properties
from attention_harness.errors import Outcome
from attention_harness.registry.targets import spec_by_name
from attention_harness.runs.pytest_plugin.shared_check import SharedCheck
from attention_specs.property import Property, properties_of


def properties_by_name(name: str, spec: str = "") -> list[Property]:
    """The properties of the spec; if it is not given, of the one to which the name of an attention points."""
    load_properties()
    return properties_of(spec or spec_by_name(name))


@dataclass(frozen=True)
class PropertyCheck:
    """The check of one property, to be called in a test."""

    shared: SharedCheck
    property: Property
    expected: bool = False
    """Whether it is expected to fail."""

    def __repr__(self) -> str:
        return f"<{self.property.id} {self.property.name}>"

    def __call__(self) -> None:
        """Raises AssertionError if the property fails, and skips the test if it cannot be judged."""
        __tracebackhide__ = True
        record, name = self.shared.record, self.property.name
        if error := record.error or self._other_spec():
            pytest.fail(error, pytrace=False)
        rows = [row for row in record.rows if row.property == name]
        if failures := [str(failure) for failure in record.failures if failure.property == name]:
            raise AssertionError("\n".join(failures))
        if little := [row.message for row in rows if row.outcome == Outcome.TOO_LITTLE]:
            pytest.fail(little[0], pytrace=False)
        if {row.outcome for row in rows} & {Outcome.AGREES, Outcome.WAIVED}:
            return
        if failures := self.shared.ungated:
            pytest.fail("\n".join(failures), pytrace=False)
        reason = next((row.message or row.outcome for row in [*rows, *record.rows]), "no case of this run applies")
        if self.expected:
            pytest.fail(f"{self.property.id} is expected to fail, but was not judged: {reason}", pytrace=False)
        pytest.skip(reason)

    def _other_spec(self) -> str:
        """Why a function of another spec has no such property; empty for one of its own."""
        specs = {row.spec for row in self.shared.record.rows}
        if self.property.spec in specs:
            return ""
        wanted = f"{self.property.spec} for {self.property.id}: the names of layers end in multi_head, those of merges in merge"
        return f"spec of {self.shared.name}={', '.join(specs) or 'another'}, but should be {wanted}"

    def user_properties(self) -> Iterator[tuple[str, object]]:
        """Names and values for JUnit: seed and versions, and of each failure its smallest problem and its replay line."""
        if "record" in vars(self.shared):
            record = self.shared.record
            yield from [("seed", record.seed), *record.versions.items()]
            for failure in record.failures:
                if failure.property == self.property.name:
                    yield from (("case", failure.case), ("replay", failure.replay))

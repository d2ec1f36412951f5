"""One pytest test for each property of one attention."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypedDict, Unpack

import pytest

from attention_harness.conformance.judging import GATES
from attention_harness.errors import Outcome, UsageError
from attention_harness.registry.objects import name_of
from attention_harness.runs.check_attention import check_attention, property_names
from attention_specs.property import PROPERTIES, Property, properties_of

if TYPE_CHECKING:
    from attention_harness.runs.result import Result

Function = Callable[..., object]


class CheckOptions(TypedDict, total=False):
    """Arguments of `check_attention`."""

    examples: int | None
    seed: int
    dtypes: Sequence[str] | None
    declare: Mapping[str, bool | str] | None
    quick: bool
    framework: str | None
    timeout: float
    memory: int


def parametrize_with_properties(
    f: Function | str,
    *,
    properties: Sequence[str] | None = None,
    expected_failed: Mapping[str, str] | None = None,
    **options: Unpack[CheckOptions],
) -> pytest.MarkDecorator:
    """A decorator for a test with the argument `check`: one test for each property, with ids such as `my_attention-P4`.

        @parametrize_with_properties(my_attention, expected_failed={"P5": "NaN rows, issue 12"})
        def test_conforms(check):
            check()

    `f` and `options` are as for `check_attention`, and so is where the function is called. One check serves all properties; it
    runs when the first test calls, not when tests are collected. `properties` are ids or names, all of its spec by default.

    A test fails with the first wrong element, the smallest problem and the line that judges it again; it is skipped, with the
    reason, if the signature does not support the property. `expected_failed` has a reason by id or name. It is strict: such a
    test is an xfail as long as it fails, and fails once it passes or is no longer judged.

    Raises UsageError for an unknown property, or an expected failure that is not among `properties`.
    """
    inspect.signature(check_attention).bind(f, **options)
    name = f if isinstance(f, str) else name_of(f)
    chosen = [PROPERTIES[one] for one in property_names(properties or ())] or properties_of(_spec(f, name))
    expected = {property_names([one])[0]: reason for one, reason in (expected_failed or {}).items()}
    if stray := expected.keys() - {one.name for one in chosen}:
        raise UsageError(f"expected_failed={', '.join(sorted(stray))}, but should be among the properties that are judged")
    shared = SharedCheck(f, [one.name for one in chosen] if properties else [], options)
    checks = [PropertyCheck(shared, one, expected=one.name in expected) for one in chosen]
    marks = [[_xfail(expected[one.name])] if one.name in expected else [] for one in chosen]
    named = zip(checks, marks, strict=True)
    return pytest.mark.parametrize("check", [pytest.param(one, id=f"{name}-{one.property.id}", marks=its) for one, its in named])


def _xfail(reason: str) -> pytest.MarkDecorator:
    return pytest.mark.xfail(reason=reason, raises=AssertionError, strict=True)


def _spec(f: Function | str, name: str) -> str:
    layer = name.replace("_", "-").endswith("multi-head")
    return str(getattr(f, "spec", "multi-head" if layer else "attention"))


@dataclass
class SharedCheck:
    """The check that the properties of one target share."""

    f: Function | str
    properties: Sequence[str]
    options: CheckOptions

    @cached_property
    def result(self) -> Result:
        """The result, of the first call."""
        return check_attention(self.f, properties=self.properties, **self.options)

    @property
    def ungated(self) -> list[str]:
        """The failures that leave nothing to judge, of properties that have no test of their own; and those of no property."""
        own = [failure for failure in self.result.failures if failure.id in GATES and failure.property not in self.properties]
        whole = [row for row in self.result.rows if not row.property and row.outcome.wrong]
        return [*(map(str, own) if self.properties else ()), *(row.message for row in whole)]


@dataclass(frozen=True)
class PropertyCheck:
    """The check of one property, to be called in a test."""

    shared: SharedCheck
    property: Property
    expected: bool

    def __repr__(self) -> str:
        return f"<{self.property.id} {self.property.name}>"

    def __call__(self) -> None:
        """Raises AssertionError if the property fails, and skips the test if it cannot be judged."""
        __tracebackhide__ = True
        result, name = self.shared.result, self.property.name
        rows = [row for row in result.rows if row.property == name]
        if failures := [str(failure) for failure in result.failures if failure.property == name]:
            raise AssertionError("\n".join(failures))
        if little := [row.message for row in rows if row.outcome == Outcome.TOO_LITTLE]:
            pytest.fail(little[0], pytrace=False)
        if {row.outcome for row in rows} & {Outcome.AGREES, Outcome.WAIVED}:
            return
        if failures := self.shared.ungated:
            pytest.fail("\n".join(failures), pytrace=False)
        reason = next((row.message or row.outcome for row in [*rows, *result.rows]), "no case of this run applies")
        if self.expected:
            pytest.fail(f"{self.property.id} is expected to fail, but was not judged: {reason}", pytrace=False)
        pytest.skip(reason)

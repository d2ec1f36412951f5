"""One pytest test for each property of one attention."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Unpack

import pytest

from attention_harness.conformance.check import property_names
from attention_harness.errors import UsageError
from attention_harness.registry.objects import declared_spec, name_of
from attention_harness.runs.check_attention import check_attention
from attention_harness.runs.pytest_plugin.property_check import PropertyCheck, properties_by_name
from attention_harness.runs.pytest_plugin.shared_check import CheckOptions, Function, SharedCheck
from attention_specs.property import PROPERTIES


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
    runs when the first test calls, not when tests are collected. `properties` are ids, names or patterns (`"M*"`): all of its spec
    by default.

    A test fails with the first wrong element, the smallest problem and the line that judges it again; it is skipped, with the
    reason, if the signature does not support the property. `expected_failed` has a reason by id or name. It is strict: such a
    test is an xfail as long as it fails, and fails once it passes or is no longer judged.

    Raises UsageError for an unknown property, or an expected failure that is not among `properties`.
    """
    inspect.signature(check_attention).bind(f, **options)
    name = f if isinstance(f, str) else name_of(f)
    chosen = [PROPERTIES[one] for one in property_names(properties or ())] or properties_by_name(name, declared_spec(f))
    expected = {name: reason for one, reason in (expected_failed or {}).items() for name in property_names([one])}
    if stray := expected.keys() - {one.name for one in chosen}:
        raise UsageError(f"expected_failed={', '.join(sorted(stray))}, but should be among the properties that are judged")
    tests = [one.name for one in chosen]
    shared = SharedCheck(f, tests, tests if properties else [], options)
    checks = [PropertyCheck(shared, one, expected=one.name in expected) for one in chosen]
    marks = [[_xfail(expected[one.name])] if one.name in expected else [] for one in chosen]
    named = zip(checks, marks, strict=True)
    return pytest.mark.parametrize("check", [pytest.param(one, id=f"{name}-{one.property.id}", marks=its) for one, its in named])


def _xfail(reason: str) -> pytest.MarkDecorator:
    return pytest.mark.xfail(reason=reason, raises=AssertionError, strict=True)

"""Each spec offers the names of the protocol, and its inputs and answers have those that the harness reads."""

from inspect import signature

import numpy as np
import pytest

from attention_specs.case import Case, Question
from attention_specs.contract import Conventions
from attention_specs.plain_data import hints
from attention_specs.precision import Units, named_precision
from attention_specs.registry import SPECS, part
from attention_specs.spec import (
    NAMES,
    Bounds,
    Call,
    DifferentiableSpec,
    Expected,
    ExpectedGradient,
    Inputs,
    Reference,
    Spec,
    Unsupported,
    spec_of,
)

FUNCTIONS = [name for name in NAMES if name not in Spec.__annotations__]


def lacking(thing: object, protocol: type) -> list[str]:
    """Names of the protocol that the thing does not have."""
    return [name for name in vars(protocol) if not name.startswith("_") and not hasattr(thing, name)]


def parameters(function) -> list[str]:
    return [name for name in signature(function).parameters if name != "self"]


def test_the_names_are_those_of_the_protocol() -> None:
    assert {"NAME", "Problem", "realise", "restrict", "lower", "call", "beyond", "expect"} < set(NAMES)


@pytest.mark.parametrize("name", SPECS)
def test_each_spec_offers_every_name(name: str) -> None:
    spec = spec_of(name)
    assert name in (spec.NAME, spec.Problem.spec)
    assert spec.Problem.spec == spec.NAME
    assert issubclass(spec.Problem, Question)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", SPECS)
def test_each_function_has_the_parameters_of_the_protocol(name: str, function: str) -> None:
    assert parameters(getattr(spec_of(name), function)) == parameters(getattr(Spec, function))


@pytest.mark.parametrize("name", NAMES)
def test_a_spec_that_lacks_a_name_is_rejected(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(part("multi-head", "spec"), name)
    with pytest.raises(TypeError, match=f"spec=multi-head without {name}, but should offer every name"):
        spec_of("multi-head")


@pytest.mark.parametrize("name", SPECS)
def test_what_a_spec_hands_over_has_the_names_of_its_protocols(name: str) -> None:
    spec = spec_of(name)
    sizes = {"query_length": 2, "key_length": 3}
    x = spec.realise(Case(spec.Problem.from_json({n: size for n, size in sizes.items() if n in hints(spec.Problem)})))
    expected = spec.expect(x, Conventions(), None)
    bounds = expected.bounds_for(Units.from_precision(named_precision("exact", x.dtype)))
    handed = {Inputs: (x, expected.asked), Expected: (expected,), Reference: (expected.exact,), Bounds: (expected.bounds, bounds)}
    assert [lacking(thing, protocol) for protocol, things in handed.items() for thing in things] == [[]] * 6
    assert type(spec.call(x)) is Call
    assert (x.output_shape, x.score_shape[:3]) == (expected.out.shape, expected.lse.shape)
    assert expected.exact.empty.shape == expected.out.shape[:-1]


def test_gradients_are_a_part_of_the_specs_that_have_them() -> None:
    spec = spec_of("attention")
    assert [isinstance(spec_of(name), DifferentiableSpec) for name in SPECS] == [True, False, False]
    assert isinstance(spec, DifferentiableSpec)
    assert parameters(spec.expect_gradient) == parameters(DifferentiableSpec.expect_gradient)
    x = spec.realise(Case(spec.Problem()))
    assert not lacking(spec.expect_gradient(x, np.ones(x.output_shape, x.dtype), Conventions(), None), ExpectedGradient)


@pytest.mark.parametrize("name", [name for name in SPECS if "mask" in hints(spec_of(name).Problem)])
def test_an_absent_option_is_refused_in_one_way(name: str) -> None:
    spec = spec_of(name)
    x = spec.realise(Case(spec.Problem())).replace(mask=np.ones((1, 1, 1, 1), bool))
    with pytest.raises(Unsupported, match="mask not in its signature"):
        spec.lower(x, ())

"""Readings of the scale."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from attention_harness.conformance.diagnosis.readings import reading, register_call
from attention_specs.attention.inputs import Inputs
from attention_specs.attention.oracle import default_scale

DEFAULTS: dict[str, Callable[[Inputs], float]] = {
    "1": lambda x: 1.0,
    "1/D": lambda x: 1 / _dim(x),
    "sqrt(D)": lambda x: _dim(x) ** 0.5,
    "D ** -0.25": lambda x: _dim(x) ** -0.25,
    "1/sqrt(Dv)": lambda x: max(x.v.shape[3], 1) ** -0.5,
    "1/sqrt(H)": lambda x: max(x.q.shape[1], 1) ** -0.5,
    "1/sqrt(H * D)": lambda x: (max(x.q.shape[1], 1) * _dim(x)) ** -0.5,
    "1/int(sqrt(D))": lambda x: 1 / max(int(_dim(x) ** 0.5), 1),
    "1/sqrt(D), D rounded up to a power of two": lambda x: (1 << (_dim(x) - 1).bit_length()) ** -0.5,
    "1/sqrt(D), D rounded up to a multiple of 32": lambda x: (-(-_dim(x) // 32) * 32) ** -0.5,
}
"""Default scales by their formula, the wrong ones."""


def _dim(x: Inputs) -> int:
    return max(x.q.shape[3], 1)


def _by_default(formula: str, x: Inputs) -> Inputs | None:
    return x.replace(scale=DEFAULTS[formula](x)) if x.scale is None else None


for _formula in DEFAULTS:
    register_call(f"the default scale is {_formula}", partial(_by_default, _formula))


@reading()
def a_given_scale_is_left_out(x: Inputs) -> Inputs | None:
    """Scores are not scaled by the given scale."""
    return None if x.scale is None else x.replace(scale=1.0)


@reading()
def a_given_scale_is_multiplied_by_the_default(x: Inputs) -> Inputs | None:
    """A given scale is multiplied by 1/sqrt(D)."""
    return None if x.scale is None else x.replace(scale=x.scale * float(default_scale(x.replace(scale=None))))


@reading()
def a_given_scale_is_squared(x: Inputs) -> Inputs | None:
    """A given scale is applied twice."""
    return None if x.scale is None else x.replace(scale=x.scale**2)


@reading()
def a_given_scale_divides(x: Inputs) -> Inputs | None:
    """Scores are divided by a given scale."""
    return x.replace(scale=1 / x.scale) if x.scale else None


@reading()
def the_sign_of_the_scale_is_lost(x: Inputs) -> Inputs | None:
    """A negative scale counts as positive."""
    return x.replace(scale=-x.scale) if x.scale is not None and x.scale < 0 else None

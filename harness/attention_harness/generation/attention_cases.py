"""Cases of attention for tests that other people write with Hypothesis."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from hypothesis import reject
from hypothesis import strategies as st

from attention_harness import frameworks
from attention_harness.errors import UsageError
from attention_harness.frameworks.switches import precise
from attention_harness.generation.shapes import DIMS, EDGES, SMALL, Shape, within_budget
from attention_harness.generation.strategies import OPTIONS, cases
from attention_specs.attention.inputs import Inputs, realise
from attention_specs.attention.problem import Problem
from attention_specs.attention.ranges import beyond
from attention_specs.attention.recipes import DRAWN
from attention_specs.attention.spec import Expected, call, expect
from attention_specs.case import Case
from attention_specs.contract import Conventions
from attention_specs.formats import DTYPES
from attention_specs.judge import within
from attention_specs.precision import named_precision

NAMES = {"past_k": "past", "past_v": "past"}
"""Options of the contract -> the option of a problem that stands for them."""

LARGEST = 128
"""Positions and dims of a case, if nothing else is wanted: across the edges of the blocks that kernels have."""


@dataclass(frozen=True, eq=False, repr=False)
class AttentionCase:
    """One call of attention: q [B, Hq, Lq, D], k [B, Hkv, Lk, D], v [B, Hkv, Lk, Dv], and options by name.

    `f(case.q, case.k, case.v, **case.options)` is the call; arrays among the options belong to the same framework. With a cache
    (`past_k`, `past_v` in the options) k and v are the new keys and values alone. The text of a case is its problem.
    """

    q: object
    k: object
    v: object
    options: dict[str, object]
    case: Case
    framework: str
    inputs: Inputs
    conventions: Conventions

    @property
    def expected(self) -> np.ndarray:
        """The exact output [B, Hq, Lq, Dv], in float64, or in extended precision for float64 inputs."""
        return self._right.out

    @property
    def bound(self) -> np.ndarray:
        """The largest error that rounding allows each element, [B, Hq, Lq, Dv], under the default precision model of the dtype."""
        return self._right.out_bound

    def assert_close(self, out: object, precision: str | None = None) -> None:
        """Raises AssertionError, with the worst element, unless `out` is within the derived bound.

        `precision` is a model of specs/precision.md, by default "exact", in 16 bits "scores-rounded". A case with a step beyond the
        range of its formats is rejected, as by `hypothesis.reject`.
        """
        __tracebackhide__ = True
        if precision and beyond(self.inputs, named_precision(precision, self.inputs.dtype)):
            reject()
        right = self._expected(precision) if precision else self._right
        got = frameworks.load(self.framework).to_numpy(out)
        verdict = within(got, right.out, right.out_bound, "out", right.specified)
        if not verdict.holds:
            raise AssertionError(f"{verdict.message} [{self.case}]")

    @cached_property
    def _right(self) -> Expected:
        return self._expected(None)

    def _expected(self, precision: str | None) -> Expected:
        with np.errstate(all="ignore"):
            return expect(self.inputs, self.conventions, precision)

    def __repr__(self) -> str:
        return f"AttentionCase({self.case})"


def attention_cases(
    *,
    dtypes: Sequence[str] = DTYPES,
    options: Sequence[str] = (),
    sizes: Mapping[str, Sequence[int]] | None = None,
    values: Sequence[str] = tuple(DRAWN),
    declare: Mapping[str, bool | str] | None = None,
    framework: str = "numpy",
) -> st.SearchStrategy[AttentionCase]:
    """A Hypothesis strategy over calls of attention. It shrinks to one query and one key of one number, without options.

    | argument | meaning |
    |---|---|
    | `dtypes` | out of float32, float64, bfloat16, float16 |
    | `options` | those that a case may have, each in half of the cases, by their names in the contract; none by default |
    | `sizes` | name -> numbers: `{"head_dim": [64], "query_length": range(64, 257, 64)}`; others are batch, query_heads, key_heads, ... |
    | `values` | recipes of the numbers in q, k and v (`"normal"` alone, if they should be harmless) |
    | `declare` | conventions, `{"causal_alignment": "bottom-right"}` |
    | `framework` | whose arrays: numpy, torch or jax, on the CPU |

    Other sizes are 1 to 129, with many at the edges of blocks; query_heads is a multiple of key_heads, and value_dim is head_dim in
    half of the cases. Raises UsageError for an unknown name or size.
    """
    _require("dtypes", dtypes, DTYPES)
    _require("options", options, (*OPTIONS, *NAMES))
    _require("values", values, DRAWN)
    _require("sizes", tuple(sizes or ()), Shape._fields)
    _require("framework", (framework,), frameworks.NAMES)
    for name, numbers in (sizes or {}).items():
        if not numbers or min(numbers) < 0:
            raise UsageError(f"sizes of {name}={list(numbers)}, but should be one number or more, none below 0")
    if missing := frameworks.installed(framework):
        raise UsageError(missing)
    try:
        conventions = Conventions.declared(dict(declare or {}))
    except ValueError as error:
        raise UsageError(str(error)) from error
    wanted = [name for name in OPTIONS if name in {NAMES.get(option, option) for option in options}]
    shapes = _shapes(dict(sizes or {}), _heads(dict(sizes or {})))
    drawn = _cases(shapes, tuple(dtypes), tuple(values), wanted)
    return drawn.map(lambda case: _called(case, conventions, framework))


def _require(name: str, given: Sequence[str], known: Sequence[str]) -> None:
    """UsageError for a text in place of a list, for an empty list of dtypes or values, and for names that nobody knows."""
    unknown = [given] if isinstance(given, str) else [str(one) for one in given if one not in known]
    if unknown or not (given or name in ("options", "sizes")):
        raise UsageError(f"{name}={', '.join(unknown) or 'none'}, but should be a list of {', '.join(known)}")


def _called(case: Case, conventions: Conventions, framework: str) -> AttentionCase:
    x = realise(case)
    asked = call(x)
    with warnings.catch_warnings(action="ignore"), precise(framework):
        verbs = frameworks.load(framework)

        def native(value: object) -> object:
            return verbs.from_numpy(value, "cpu") if isinstance(value, np.ndarray) else value

        arrays = {name: native(array) for name, array in asked.arrays.items()}
        given = {name: native(value) for name, value in asked.options.items()}
    return AttentionCase(**arrays, options=given, case=case, framework=framework, inputs=x, conventions=conventions)


@st.composite
def _cases(
    draw: st.DrawFn, shapes: st.SearchStrategy[Shape], dtypes: Sequence[str], recipes: Sequence[str], wanted: Sequence[str]
) -> Case:
    """A case with some of the wanted options and no other: what is drawn beside causality or lengths is left out again."""
    options = [name for name in wanted if draw(st.booleans())]
    case = draw(cases([draw(shapes)], dtypes, recipes, {name: OPTIONS[name] for name in options}))
    usual = {field.name: field.default for field in fields(Problem)}
    return case.with_problem(**{name: usual[name] for name in OPTIONS if name not in options})


@st.composite
def _shapes(draw: st.DrawFn, sizes: Mapping[str, Sequence[int]], heads: Sequence[tuple[int, int]]) -> Shape:
    """Sizes out of those that are wanted, and small ones or edges of blocks elsewhere."""

    def size(name: str, usual: st.SearchStrategy[int]) -> int:
        return draw(st.sampled_from(sorted(sizes[name])) if name in sizes else usual)

    lengths = st.one_of(st.sampled_from(SMALL), st.sampled_from(EDGES))
    dims = st.sampled_from([dim for dim in DIMS if dim <= LARGEST])
    batch = size("batch", st.integers(1, 3))
    key_heads = draw(st.sampled_from(sorted({keys for _, keys in heads})))  # apart, so that each shrinks by itself
    query_heads = draw(st.sampled_from([queries for queries, keys in heads if keys == key_heads]))
    queries, keys, head_dim = size("query_length", lengths), size("key_length", lengths), size("head_dim", dims)
    value_dim = size("value_dim", st.one_of(st.just(head_dim), dims))
    shape = Shape(batch, query_heads, key_heads, queries, keys, head_dim, value_dim)
    return shape if sizes.keys() & {"batch", "query_heads", "key_heads"} else within_budget(shape)


def _heads(sizes: Mapping[str, Sequence[int]]) -> list[tuple[int, int]]:
    """Query heads and key heads that fit each other, fewest first. UsageError if none of the wanted numbers do."""
    keys = sizes.get("key_heads", (1, 2, 3, 4, 8))
    queries = sizes.get("query_heads") or sorted({heads * group for heads in keys for group in (1, 2, 3, 8)})
    pairs = [(q, k) for q in sorted(queries) for k in sorted(keys) if (q % k == 0 if k else q == 0)]
    if "key_heads" not in sizes:
        pairs += [(q, q) for q in queries if (q, q) not in pairs]
    if not pairs:
        raise UsageError(f"query_heads={list(queries)}, but should have a multiple of one of key_heads={list(keys)}")
    return pairs

"""The coverage of a run: the number of its cases for each value of each region, zeros included."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import fields

import numpy as np

from attention_specs.attention.problem import Problem
from attention_specs.biases import BIASES
from attention_specs.case import Case
from attention_specs.formats import DTYPES
from attention_specs.layouts import LAYOUTS
from attention_specs.masks import MASKS
from attention_specs.named import Named
from attention_specs.registry import SPECS, Registry, drawn_recipes
from attention_specs.spec import Inputs, spec_of

Values = Callable[[Case, Inputs], Iterable[str]]

REGIONS: Registry[tuple[tuple[str, ...], Values]] = Registry("region")
"""Region -> the values that a generator should reach, and those that a case with these inputs has."""

COMBINE = ("both", "either", "opposite", "total", "window_at")
"""Masks and biases that consist of others, which are counted themselves."""


def region(name: str, *values: str) -> Callable[[Values], Values]:
    """Registers a function as a region with these values."""

    def register(function: Values) -> Values:
        REGIONS.register((values, function), name)
        return function

    return register


def covered(case: Case, x: Inputs) -> set[tuple[str, str]]:
    """The values that the case with these inputs has, each behind its region."""
    return {(name, value) for name, (_, values) in REGIONS.items() for value in values(case, x)}


def drawn(cases: Iterable[Case]) -> list[dict[str, str | int]]:
    """The coverage of cases as they are drawn, before they are fitted to an implementation."""
    return coverage(covered(case, spec_of(case.problem.spec).realise(case)) for case in cases)


def coverage(cases: Iterable[Iterable[tuple[str, str]]]) -> list[dict[str, str | int]]:
    """Rows (region, value, cases), in the order of REGIONS, from the values of each case; a value that no case has counts 0."""
    counts: Counter[tuple[str, str]] = Counter(pair for case in cases for pair in case)
    known = [(name, value) for name, (values, _) in REGIONS.items() for value in values]
    more = sorted(pair for pair in counts if pair not in known)
    return [{"region": name, "value": value, "cases": counts[name, value]} for name, value in [*known, *more]]


@region("spec", *SPECS)
def specs(case: Case, x: Inputs) -> list[str]:
    """Attention or the layer."""
    return [case.problem.spec]


@region("dtype", *(f"{dtype}, {spec}" for spec in SPECS for dtype in DTYPES))
def dtypes(case: Case, x: Inputs) -> list[str]:
    """Of the inputs."""
    return [f"{x.dtype}, {case.problem.spec}"]


@region("lengths", "Lq < Lk", "Lq = Lk", "Lq > Lk", "one is 0")
def lengths(case: Case, x: Inputs) -> list[str]:
    """The numbers of queries and keys, compared."""
    queries, keys = x.score_shape[2:]
    return ["one is 0" if not queries or not keys else f"Lq {'<' if queries < keys else '>' if queries > keys else '='} Lk"]


@region("key length", "1", "2 to 14", "multiple of 16, less 1", "multiple of 16", "multiple of 16, plus 1", "other", "above 1000")
def key_lengths(case: Case, x: Inputs) -> list[str]:
    """The number of keys beside multiples of a block."""
    n = x.score_shape[3]
    near = {15: "multiple of 16, less 1", 0: "multiple of 16", 1: "multiple of 16, plus 1"}
    small = [] if not n else ["1"] if n == 1 else ["2 to 14"] if n < 15 else [near.get(n % 16, "other")]
    return small + (["above 1000"] if n > 1000 else [])


@region("heads", "one", "several", "in groups", "one key head of several", "as many as entries")
def heads(case: Case, x: Inputs) -> list[str]:
    """Query heads and key heads."""
    batch, number = x.score_shape[:2]
    keys = getattr(case.problem, "key_heads", None) or number
    return _true(
        {
            "one": number == 1,
            "several": number == keys > 1,
            "in groups": number > keys > 1,
            "one key head of several": number > keys == 1,
            "as many as entries": number == batch > 1,
        }
    )


def _true(conditions: dict[str, bool | np.bool]) -> list[str]:
    return [name for name, true in conditions.items() if true]


@region("dims", "D = Dv", "D < Dv", "D > Dv", "odd", "one is 0")
def dims(case: Case, x: Inputs) -> list[str]:
    """Of keys and values."""
    if not isinstance(case.problem, Problem):
        return []
    d, dv = case.problem.head_dim, case.problem.value_dim
    relation = "one is 0" if not d or not dv else f"D {'<' if d < dv else '>' if d > dv else '='} Dv"
    return [relation, *(["odd"] if d % 2 or dv % 2 else [])]


@region("rows", "see every key", "see some keys", "empty beside others", "all empty")
def rows(case: Case, x: Inputs) -> list[str]:
    """The keys that the queries may see."""
    visible = x.visible()
    if not visible.size:
        return []
    some, every = visible.any(-1), visible.all(-1)
    return _true(
        {
            "see every key": every.any(),
            "see some keys": (some & ~every).any(),
            "empty beside others": some.any() and not some.all(),
            "all empty": not some.any(),
        }
    )


def _options() -> dict[str, None]:
    """The options of all problems, in their order."""
    problems = [spec_of(name).Problem for name in SPECS]
    return dict.fromkeys(f.name for problem in problems for f in fields(problem)[problem.sizes :])


@region("option", "none", *_options())
def options(case: Case, x: Inputs) -> list[str]:
    """Each option that is given."""
    return [option.partition("=")[0] for option in case.problem.options()] or ["none"]


@region("options at once", "0", "1", "2", "3", "4 or more")
def together(case: Case, x: Inputs) -> list[str]:
    """The number of options that meet."""
    number = len(case.problem.options())
    return [str(number) if number < 4 else "4 or more"]


def _kinds(thing: object) -> set[str]:
    """Names of the predicates or formulas in a mask or bias."""
    return ({thing.kind} - set(COMBINE)).union(*map(_kinds, thing.arguments)) if isinstance(thing, Named) else set()


@region("mask", *(kind for kind in MASKS if kind not in COMBINE))
def mask_kinds(case: Case, x: Inputs) -> set[str]:
    """Predicates, also those within a bias."""
    return {kind for kind in _kinds(case.problem.mask) | _kinds(getattr(case.problem, "bias", None)) if kind in MASKS}


@region("bias", *(kind for kind in BIASES if kind not in COMBINE))
def bias_kinds(case: Case, x: Inputs) -> set[str]:
    """Formulas."""
    return {kind for kind in _kinds(getattr(case.problem, "bias", None)) if kind in BIASES}


def _axes(array: np.ndarray | None) -> list[str]:
    if array is None:
        return []
    sizes = (1,) * (4 - array.ndim) + array.shape
    return ["".join(name if size != 1 else "1" for name, size in zip("BHQK", sizes, strict=True))]


@region("axes of mask and bias")
def axes(case: Case, x: Inputs) -> list[str]:
    """Along which a mask or bias varies; 1 where it is broadcast."""
    return [*_axes(x.mask), *_axes(getattr(x, "bias", None))]


@region("layout", *LAYOUTS)
def layouts(case: Case, x: Inputs) -> list[str]:
    """The layouts of the arrays in memory."""
    return list(case.layouts.values())


@region("recipe", *dict.fromkeys(name for spec in SPECS for name in drawn_recipes(spec)))
def recipes(case: Case, x: Inputs) -> list[str]:
    """The recipe of the values."""
    return ["given" if case.arrays else case.recipe]

"""A case file, read again. Types, sizes and shapes are checked before anything is judged, since the file may be damaged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import prod
from pathlib import Path
from reprlib import repr as short

import numpy as np

from attention_harness.errors import UsageError
from attention_harness.process.limits import Limits
from attention_harness.registry.targets import Target
from attention_specs.attention.inputs import Inputs as AttentionInputs
from attention_specs.attention.problem import Problem
from attention_specs.case import Case, Question
from attention_specs.contract import Conventions
from attention_specs.formats import DTYPES
from attention_specs.layouts import INSIDE_K, LAYOUTS
from attention_specs.merge.inputs import ARRAYS as MERGE_ARRAYS
from attention_specs.merge.inputs import MergeInputs
from attention_specs.multi_head.inputs import ARRAYS as LAYER_ARRAYS
from attention_specs.multi_head.inputs import LayerInputs
from attention_specs.multi_head.problem import LayerProblem
from attention_specs.plain_data import require
from attention_specs.property import PROPERTIES, Property, likely
from attention_specs.sizes import require_fitting
from attention_specs.spec import Inputs, spec_of

BYTES = 2**25
DEPTH = 64
"""Levels of nesting; a run writes five, and one more for each mask within a mask."""

CELLS, NUMBERS, PRODUCTS = 2**20, 2**21, 2**27
"""Scores, elements of the largest array and multiplications of one case: some twenty times as many as a run draws."""

ARGUMENTS = {"attention": ("q", "k", "v", "mask", "bias", "sinks"), "multi-head": (*LAYER_ARRAYS, "mask"), "merge": MERGE_ARRAYS}
"""Spec -> arrays that have a layout."""
GIVEN = {"attention": (*ARGUMENTS["attention"], "out", "weights"), "multi-head": (), "merge": ()}
"""Spec -> arrays that a case may list number by number."""


@dataclass(frozen=True)
class CaseFile:
    """The record of one failure: its target, property and case, and the conditions of the run."""

    target: Target
    property_: Property
    case: Case
    conventions: Mapping[str, object]
    limits: Limits
    when: str = ""
    """When it failed, if not at each call."""


def read(path: Path) -> CaseFile:
    """The content of a case file. UsageError if it is none, or one that is too large to be judged."""
    try:
        if path.stat().st_size > BYTES:
            raise ValueError(f"size={path.stat().st_size}, but should be at most {BYTES} bytes")
        return case_file(json.loads(path.read_text()))
    except OSError as error:
        raise UsageError(f"file={path}, but should be a case that can be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"file={path}, but should be a case as a run writes it to cases/<id>.json: {error}") from error


def case_file(data: object) -> CaseFile:
    """The record in the data of a case file. ValueError for data that no run writes."""
    if _deeper(data, DEPTH):
        raise ValueError(f"nesting=above {DEPTH} levels, but should be less")
    record: dict[str, object] = require("content", data, dict)
    target, location, name = (require(key, record.get(key), str) for key in ("target", "location", "property"))
    when = require("when", record.get("when", ""), str)
    if name not in PROPERTIES:
        raise ValueError(f"property={name[:60]}, but should be {likely(name)}")
    case, property_ = Case.from_json(record.get("case")), PROPERTIES[name]
    if property_.spec != case.problem.spec:
        raise ValueError(f"spec={case.problem.spec}, but should be {property_.spec} for {property_.name}")
    require_affordable(case.problem)
    require_buildable(case)
    return CaseFile(
        target=Target(target, location, record.get("registered") is not False).declaring(
            require("declared", record.get("declared", {}), dict)
        ),
        property_=property_,
        case=case,
        conventions=_conventions(record.get("conventions", {})),
        limits=_limits(record.get("limits", {})),
        when=when,
    )


def _deeper(data: object, levels: int) -> bool:
    inner = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return not levels or any(_deeper(value, levels - 1) for value in inner)


def _conventions(data: object) -> Mapping[str, object]:
    declared: dict[str, object] = require("conventions", data, dict)
    try:
        Conventions.declared(declared)
    except TypeError as error:
        raise ValueError(f"conventions={short(data)}, but should be as declared: {error}") from error
    return dict(declared)


def _limits(data: object) -> Limits:
    given: dict[str, object] = require("limits", data, dict)
    seconds = require("seconds", given.get("seconds", Limits.seconds), float)
    memory = require("memory", given.get("memory", Limits.memory), int)
    if set(given) - {"seconds", "memory"} or not (seconds > 0 and memory > 0):
        raise ValueError(f"limits={short(data)}, but should be seconds and memory, each above 0")
    return Limits(seconds, memory)


def require_affordable(problem: Question) -> None:
    """ValueError for sizes that are none, or too large to be judged."""
    for field in fields(problem)[: problem.sizes]:
        size = getattr(problem, field.name)
        if field.name != "dtype" and not 0 <= size <= NUMBERS:
            raise ValueError(f"{field.name}={size}, but should be from 0 to {NUMBERS}")
    if problem.dtype not in DTYPES:
        raise ValueError(f"dtype={short(problem.dtype)}, but should be one of {', '.join(DTYPES)}")
    costs = (("scores", prod(problem.score_shape), CELLS), ("numbers", problem.numbers, NUMBERS))
    for name, cost, limit in (*costs, ("products", problem.products, PRODUCTS)):
        if cost > limit:
            raise ValueError(f"{name}={cost} [{problem}], but should be at most {limit}")


def require_buildable(case: Case) -> None:
    """ValueError for a case whose arrays cannot be made, or do not fit its sizes."""
    _require_known("layouts", case.layouts, ARGUMENTS[case.problem.spec])
    _require_known("arrays", case.arrays, GIVEN[case.problem.spec])
    for name, layout in case.layouts.items():
        if not isinstance(layout, str) or (layout not in LAYOUTS and (name, layout) != ("v", INSIDE_K)):
            raise ValueError(f"layout of {name}={short(layout)}, but should be one of {', '.join(LAYOUTS)}")
    try:
        with np.errstate(all="ignore"):
            _require_shapes(case.problem, spec_of(case.problem.spec).realise(case))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"values of [{short(str(case))}] cannot be made: {type(error).__name__}: {error}") from error


def _require_known(kind: str, given: Mapping[str, object], known: tuple[str, ...]) -> None:
    if unknown := set(given) - set(known):
        raise ValueError(f"{kind}={', '.join(sorted(unknown))}, but should be among {', '.join(known) or 'none'}")


def _require_shapes(problem: Question, x: Inputs) -> None:
    """ValueError unless arrays, lengths and answers have the shapes that the problem says."""
    if isinstance(problem, Problem) and isinstance(x, AttentionInputs):
        require_fitting(x.q, x.k, x.v, x.mask, x.bias)
        _require_lengths(problem)
    for name, (got, should) in _shapes(problem, x).items():
        if tuple(got) != should:
            raise ValueError(f"shape of {name}={got}, but should be {should}")


def _shapes(p: Question, x: Inputs) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Array -> its shape, and the shape that the problem says."""
    if isinstance(p, LayerProblem) and isinstance(x, LayerInputs):
        return {"query": (x.query.shape, (p.batch, p.query_length, p.d_model)), "scores": (x.score_shape, p.score_shape)}
    if isinstance(x, MergeInputs):
        return {"out_b": (x.out_b.shape, (*p.score_shape[:3], p.head_dim)), "lse_b": (x.lse_b.shape, p.score_shape[:3])}
    assert isinstance(p, Problem) and isinstance(x, AttentionInputs)
    out = (*p.score_shape[:3], p.value_dim)
    shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
        "q": (x.q.shape, (*p.score_shape[:3], p.head_dim)),
        "v": (x.v.shape, (p.batch, p.key_heads, p.key_length, p.value_dim)),
    }
    shapes |= {"sinks": (x.sinks.shape, (p.query_heads,))} if x.sinks is not None else {}
    return shapes | {name: (array.shape, out if name == "out" else p.score_shape) for name, array in x.answers.items()}


def _require_lengths(problem: Problem) -> None:
    for name, longest in (("query_lengths", problem.query_length), ("key_lengths", problem.key_length)):
        lengths = getattr(problem, name)
        if lengths is not None and not (len(lengths) == problem.batch and all(0 <= n <= longest for n in lengths)):
            raise ValueError(f"{name}={short(lengths)}, but should be {problem.batch} numbers from 0 to {longest}")
    if problem.window and any(side is not None and side < 0 for side in problem.window):
        raise ValueError(f"window={problem.window}, but should have no side below 0")

"""The shrinking of a failing case: every step makes one thing simpler and must still fail.

Hypothesis shrinks the choices that led to a case, which here reach the sizes only through a pool of shapes; taking the
fields of the case itself one by one gets further in fewer calls, and needs no second drawing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from time import monotonic

from attention_specs.biases import Bias
from attention_specs.case import Case
from attention_specs.masks import Mask
from attention_specs.registry import drawn_recipes

PLAIN = "normal"
"""The recipe of plain values."""


def minimise(case: Case, fails: Callable[[Case], bool], seconds: float) -> Case:
    """The smallest case that fails, as far as the time allows. `case` fails; `fails` is asked once for each other case."""
    deadline, tried = monotonic() + seconds, {case.id}
    before = ""
    while before != case.id:
        before = case.id
        for step in STEPS:
            case = _while_it_fails(case, step, fails, tried, deadline)
    return case


def _while_it_fails(case: Case, step: Step, fails: Callable[[Case], bool], tried: set[str], deadline: float) -> Case:
    """Takes one kind of step as often as it leads to a case that fails."""
    smaller: Case | None = case
    while smaller is not None:
        case = smaller
        smaller = next((new for new in _untried(step, case, tried, deadline) if fails(new)), None)
    return case


def _untried(step: Step, case: Case, tried: set[str], deadline: float) -> Iterator[Case]:
    """The new cases of a step, until the time is up."""
    for simpler in _valid(step, case):
        if monotonic() > deadline:
            return
        if simpler.id not in tried:
            tried.add(simpler.id)
            yield simpler


Step = Callable[[Case], Iterator[Callable[[], Case]]]


def _valid(step: Step, case: Case) -> Iterator[Case]:
    """The results of a step that are problems; heads that do not divide, for one, are no problem."""
    for make in step(case):
        try:
            yield make()
        except ValueError:
            continue


def _options(case: Case) -> Iterator[Callable[[], Case]]:
    """One option less, or a part of a combined mask or bias."""
    if getattr(case.problem, "past", None) is not None:
        yield lambda: case.with_problem(past=None)
    for field in fields(case.problem):
        value = getattr(case.problem, field.name)
        if field.name != "dtype" and (not isinstance(value, int) or isinstance(value, bool)) and value != field.default:
            for simpler in (field.default, *_parts(value)):
                yield lambda name=field.name, new=simpler: case.with_problem(**{name: new})  # type: ignore[misc]


def _parts(value: object) -> list[Mask | Bias]:
    return [a for a in value.arguments if isinstance(a, type(value))] if isinstance(value, Mask | Bias) else []


def _sizes(case: Case) -> Iterator[Callable[[], Case]]:
    """One size smaller: 1 first, then halves, then one less. Heads go together too, since they must divide.

    The recipe of a named case has sizes of its own: there the recipe must go first. Given numbers stay as they are.
    """
    if case.arrays or case.recipe not in drawn_recipes(case.problem.spec):
        return
    for names in sizes_of(case):
        for size in _smaller(max(getattr(case.problem, name) for name in names)):
            yield lambda names=names, size=size: resized(case, names, size)  # type: ignore[misc]


def sizes_of(case: Case) -> list[list[str]]:
    """Names of the sizes that are changed together: heads first, then each by itself."""
    sizes = [f.name for f in fields(case.problem) if type(getattr(case.problem, f.name)) is int]
    heads = [name for name in sizes if name.endswith("heads")]
    return ([heads] if len(heads) > 1 else []) + [[name] for name in sizes]


def _smaller(n: int) -> list[int]:
    return sorted({m for m in (*range(1, 9), n // 2, n - n // 4, n - 1) if 0 < m < n})


def resized(case: Case, names: list[str], size: int) -> Case:
    """The case with these sizes; lists of lengths are cut to them. ValueError where that is no problem."""
    changes: dict[str, object] = dict.fromkeys(names, size)
    for name in ("query_lengths", "key_lengths"):
        lengths = getattr(case.problem, name, None)
        if lengths is not None and "batch" in names:
            changes[name] = lengths[:size]
        elif lengths is not None and name.removesuffix("s") in names:
            changes[name] = tuple(min(n, size) for n in lengths)
    return case.with_problem(**changes)


def _values(case: Case) -> Iterator[Callable[[], Case]]:
    """Plain layouts, plain values, seed 0; no numbers that are given, so that sizes can shrink."""
    if case.arrays:
        yield lambda: replace(case, arrays={})
    for name in case.layouts:
        yield lambda name=name: replace(case, layouts={k: v for k, v in case.layouts.items() if k != name})  # type: ignore[misc]
    yield lambda: replace(case, recipe=PLAIN)
    yield lambda: replace(case, seed=0)


STEPS: tuple[Step, ...] = (_options, _sizes, _values)

"""The causes of failures: two share one if the first, without all that the second lacks, still fails in the same way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace

from attention_harness.conformance.failures.shrink import PLAIN, resized, sizes_of
from attention_harness.conformance.judging import Finding, applies, fails
from attention_harness.conformance.under_test import UnderTest
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.property import Property


def alike(under_test: UnderTest, property_: Property, case: Case, kind: tuple[str, str]) -> Finding | None:
    """The finding if the property fails on the case in that way, else None."""
    again = fails(under_test, property_, case)
    return again if again and again.kind == kind else None


def explains(under_test: UnderTest, known: Case, case: Case, finding: Finding) -> bool:
    """Whether the known case, which fails in the same way, may have the cause of this failure too.

    It may not where the case, once it has no more than the known one, is judged and is right. Given numbers cannot be
    stripped, since they belong to their options.
    """
    bare = stripped(case, known)
    return (
        bool(bare.arrays)
        or not _applies(under_test, finding.property_, bare)
        or bool(alike(under_test, finding.property_, bare, finding.kind))
    )


def _applies(under_test: UnderTest, property_: Property, case: Case) -> bool:
    under_test.forget()
    return applies(under_test, property_, under_test.realise(case))


def leads_to(under_test: UnderTest, known: Case, case: Case, finding: Finding) -> bool:
    """Whether the failure can be followed to the known one: it stays on the whole way from the sizes of its case down."""
    return all(alike(under_test, finding.property_, nearer, finding.kind) for nearer in _way(case, known))


def needs(case: Case) -> frozenset[str]:
    """The special features of a case, sizes and dtype apart."""
    given = [option.partition("=")[0] for option in case.problem.options()]
    special = {
        "recipe": case.recipe != PLAIN,
        "arrays": bool(case.arrays),
        "groups": _grouped(case),
        **dict.fromkeys(case.layouts, True),
    }
    return frozenset([*given, *(name for name, true in special.items() if true)])


def stripped(case: Case, known: Case) -> Case:
    """The case without the options, groups of heads, layouts, values and numbers that the known one does without."""
    options = fields(case.problem)[case.problem.sizes :]
    gone: dict[str, object] = {f.name: f.default for f in options if getattr(known.problem, f.name) == f.default}
    if isinstance(case.problem, Problem) and _grouped(case) and not _grouped(known):
        gone["key_heads"] = case.problem.query_heads
    plain = replace(
        case,
        recipe=PLAIN if known.recipe == PLAIN else case.recipe,
        layouts={name: layout for name, layout in case.layouts.items() if name in known.layouts},
        arrays=case.arrays if known.arrays else {},
    )
    return plain.with_problem(**gone)


def _grouped(case: Case) -> bool:
    p = case.problem
    return isinstance(p, Problem) and p.key_heads != p.query_heads


def _way(case: Case, known: Case) -> Iterator[Case]:
    """The way from the case to the sizes of the known one: each step halves the difference of every size."""
    nearer, before = stripped(case, known), ""
    while nearer.id != before:
        yield nearer
        before, nearer = nearer.id, _halfway(nearer, known)


def _halfway(case: Case, known: Case) -> Case:
    for names in sizes_of(case):
        size, least = (max(getattr(c.problem, name) for name in names) for c in (case, known))
        try:
            case = resized(case, names, least + (size - least) // 2) if size > least else case
        except ValueError:  # sizes that do not fit each other stay
            continue
    return case

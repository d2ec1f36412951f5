"""The share of a suite that one shard asks. Problems are numbered before the run, in the order of the whole suite."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attention_specs.case import Case


def parsed(text: str) -> tuple[int, int]:
    """The number and the count of shards of a text such as 3/16. ValueError with one line for any other."""
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise ValueError(f"shard={text}, but should be a part and the number of parts, such as 3/16")
    return int(number), int(count)


def parts_of(shard: str) -> int:
    """The number of parts of the suite; 1 where it is whole."""
    return parsed(shard)[1] if shard else 1


def share(shard: str, suite: Iterable[Case]) -> Callable[[Case], bool]:
    """Whether the shard asks a case of this suite.

    Cases of one problem stay together: a shape is compiled once, and a case of the first stage meets its other properties.
    """
    number, count = parsed(shard)
    places: dict[str, int] = {}
    for case in suite:
        places.setdefault(_problem(case), len(places))
    return lambda case: places[_problem(case)] % count == number - 1


def _problem(case: Case) -> str:
    return Case(case.problem).id

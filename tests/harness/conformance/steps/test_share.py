"""The shares of a suite are a partition of its cases, of nearly one size, and a problem lies in one of them."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attention_harness.conformance.steps.share import parsed, parts_of, share
from attention_specs.attention.problem import Problem
from attention_specs.case import Case

CASES = st.lists(st.builds(Case, st.builds(Problem, query_length=st.integers(1, 30)), seed=st.integers(0, 3)), max_size=60)


@given(CASES, st.integers(1, 9))
def test_each_case_is_in_one_share_and_each_problem_too(cases, count):
    shares = [share(f"{number}/{count}", cases) for number in range(1, count + 1)]
    place = {case.id: [number for number, has in enumerate(shares) if has(case)] for case in cases}
    assert all(len(numbers) == 1 for numbers in place.values())
    places = Counter((case.problem.query_length, place[case.id][0]) for case in cases)
    assert len(places) == len({case.problem.query_length for case in cases})
    sizes = Counter(number for _, number in places)
    assert max(sizes.values(), default=0) - min((sizes[number] for number in range(count)), default=0) <= 1


def test_a_share_of_a_real_suite_is_a_part_of_the_work(suites_of):
    """By the multiplications of its cases: the largest of four shares has less than half of all."""
    cases = suites_of(0)["attention"].cases
    shares = [share(f"{number}/4", cases) for number in range(1, 5)]
    numbers = [sum(map(has, cases)) for has in shares]
    assert sum(numbers) == len(cases)
    assert max(numbers) < 1.3 * len(cases) / 4
    work = [sum(case.problem.products for case in cases if has(case)) for has in shares]
    assert max(work) < sum(work) / 2


@pytest.mark.parametrize("text", ["3", "0/4", "5/4", "-1/4", "1/0", "a/b", "/", "1/", "1/4/2", "1.5/4", "²/4"])
def test_anything_else_is_refused_in_one_line(text):
    with pytest.raises(ValueError, match="but should be a part and the number of parts, such as 3/16"):
        parsed(text)


def test_the_whole_has_one_part():
    assert (parts_of(""), parts_of("2/5"), parsed("2/5")) == (1, 5, (2, 5))
    assert list(chain(map(share("1/1", []), []))) == []

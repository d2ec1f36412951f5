"""The parts of a check share its seconds: each second is booked once."""

import pytest

from attention_specs import stopwatch
from attention_specs.stopwatch import PARTS, Stopwatch, as_one, book, running, timed


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is wound."""
    now = [100.0]

    def wind(seconds):
        now[0] += seconds

    monkeypatch.setattr(stopwatch, "perf_counter", lambda: now[0])
    return wind


def taken(watch):
    return {part: seconds for part, seconds in watch.rounded().items() if seconds}


def test_a_part_within_another_one_interrupts_it(clock):
    watch = Stopwatch()

    @timed("bounds")
    def bounds():
        clock(2)

    @timed("oracle")
    def oracle():
        clock(1)
        bounds()
        clock(4)

    with running(watch):
        clock(8)
        oracle()
        clock(16)
    clock(32)  # it does not run any more
    assert taken(watch) == {"judging": 24, "oracle": 5, "bounds": 2}


def test_an_exception_ends_the_part(clock):
    watch = Stopwatch()

    @timed("transfer")
    def fails():
        clock(1)
        raise ZeroDivisionError

    with running(watch):
        with pytest.raises(ZeroDivisionError):
            fails()
        clock(2)
    assert taken(watch) == {"transfer": 1, "judging": 2}


def test_seconds_that_the_worker_measured_are_moved(clock):
    watch = Stopwatch()

    @timed("transfer")
    def call():
        clock(5)
        book("transfer", "calls", 3)

    with running(watch):
        call()
    assert taken(watch) == {"transfer": 2, "calls": 3}


def test_one_stopwatch_runs_at_a_time(clock):
    first, second = Stopwatch(), Stopwatch()
    with running(first):
        clock(1)
        with running(second):
            clock(2)
        clock(4)
    assert (taken(first), taken(second)) == ({"judging": 5}, {"judging": 2})


def test_parts_are_booked_as_one(clock):
    watch = Stopwatch()
    oracle = timed("oracle")(lambda: clock(1))
    with running(watch):
        with as_one("smallest"):
            clock(2)
            oracle()
        oracle()
    assert taken(watch) == {"smallest": 3, "oracle": 1}


def test_without_a_stopwatch_nothing_is_booked():
    book("transfer", "calls", 3)
    with as_one("smallest"):
        assert timed("oracle")(lambda number: number + 1)(1) == 2


def test_each_part_says_what_it_is():
    assert all(PARTS.values())
    assert set(Stopwatch().seconds) == set(PARTS)

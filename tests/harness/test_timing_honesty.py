"""What gives a candidate away that does not work while the clock runs, and what an honest one may do. No clock is read."""

from statistics import median
from typing import Any

import numpy as np
import pytest

from harness.timing import honesty
from harness.timing.candidate import Candidate
from harness.timing.honesty import IDLE, Watched, dishonesty, watch
from implementations import numpy_eager
from specs.contract import Description
from specs.inputs import realise
from specs.problem import Case, Problem


def watched(**seen: Any) -> Watched:
    honest = {"novel": [1e-3] * 6, "repeated": [1e-3] * 6, "reading": [1e-5] * 3, "after": [0.0] * 3, "cores": [1.0] * 6}
    return Watched(**honest | seen)


@pytest.mark.parametrize(
    "seen",
    [
        {}, {"novel": [1e-3] * 5 + [9e-3]}, {"novel": [1.4e-3] * 6}, {"repeated": [1e-4] + [1e-3] * 5},
        {"reading": [1e-2, 1e-2, 1e-5]}, {"after": [IDLE, 0.0, 0.0]}, {"after": [IDLE] * 3, "novel": [2e-2] * 6, "repeated": [2e-2] * 6},
        {"cores": [2.0, 1.0, 1.0, 1.0, 1.0, 2.0]},
    ],
)  # fmt: skip
def test_what_noise_and_tidying_up_look_like_is_no_offence(seen: dict[str, Any]) -> None:
    found = watched(**seen)
    assert not dishonesty(found, median(found.novel))


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        ({"repeated": [1e-4] * 6}, "outputs are kept"), ({"novel": [1e-5] * 6, "reading": [2e-3] * 3}, "the work is put off"),
        ({"novel": [1e-5] * 6, "repeated": [1e-5] * 6, "after": [IDLE] * 3}, "go on working"), ({"cores": [1.9] * 6}, "processors=1.9"),
    ],
)  # fmt: skip
def test_what_does_not_work_while_the_clock_runs_is_named(seen: dict[str, Any], reason: str) -> None:
    assert reason in dishonesty(watched(**seen), 1e-3)


def test_a_call_that_takes_much_longer_when_nobody_times_it_is_named() -> None:
    assert "knows when it is timed" in dishonesty(watched(), 3e-4)
    assert not dishonesty(watched(), 4e-4)


class Late:
    """NumPy's verbs, for outputs that are computed when they are read for the first time."""

    def __init__(self, clock: list[int]) -> None:
        self.clock, self.read = clock, list[Any]()

    def to_numpy(self, array: Any) -> np.ndarray:
        self.clock[0] += 0 if any(array is one for one in self.read) else 10**7
        self.read.append(array)
        return np.asarray(array)

    def wait(self, array: Any) -> None: ...

    def from_numpy(self, array: np.ndarray, device: str) -> np.ndarray:
        return array


def candidate(direction: str = "forward") -> Candidate:
    made = Candidate(numpy_eager.attention, Description("eager"))
    made.open([realise(Case(Problem(1, 4, 2, 8, 8, 4, 6), seed=seed)) for seed in range(3)], direction)
    return made


def test_work_at_the_first_reading_shows() -> None:
    made, clock = candidate(), [0]
    made.framework, made.clock, made.series = Late(clock), lambda: clock[0], [1e-6]
    found = watch(made, 0.01, rest=lambda seconds: None)
    assert min(found.reading) == pytest.approx(1e-2) and "put off" in dishonesty(found, 1e-3)


def test_values_are_new_and_their_outputs_known() -> None:
    """Other inputs in every number, the same output once its signs are taken back; so outputs can be judged without the oracle."""
    made = candidate()
    first = [array.copy() for array in made.calls[0][0]]
    wanted = made.output(made.call(0))["out"]
    for number in (3, 6, honesty.FIRST_NUMBER):
        made.fill(number)
        (buffer,) = (one for one in range(3) if made.copy(one) == 0)
        assert all((new != old).any() for new, old in zip(made.calls[buffer][0], first, strict=True))
        assert np.array_equal(made.output(made.call(buffer))["out"], wanted)


def test_what_is_watched_leaves_the_candidate_as_it_was() -> None:
    made = candidate()
    made.tried()
    found = watch(made, 0.0, rest=lambda seconds: None)
    assert len(found.novel) == len(found.repeated) == len(found.outputs) == 2 * honesty.FEWEST
    assert not made.fill(1)

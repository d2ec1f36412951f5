"""One round of the look at honesty: its measurements, its order, and the candidate afterwards, which is unchanged. The clock
stands still unless the candidate moves it."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from attention_harness.timing.inquiry import FIRST_NUMBER
from attention_harness.timing.measure.candidate import Candidate
from attention_harness.timing.measure.honesty import AGAIN, LEADS, HonestyTrace, Pace, watch
from attention_harness.timing.measure.messages import Watch
from attention_implementations.numpy import eager as numpy_eager
from attention_specs.attention.inputs import realise
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.contract import CACHE, Description

NEW = FIRST_NUMBER, FIRST_NUMBER + 1


def candidate(function: Any = numpy_eager.attention) -> Candidate:
    made = Candidate(function, Description("eager"), lambda: CLOCK[0])
    made.open([realise(Case(Problem(1, 4, 2, 8, 8, 16, 6), seed=seed)) for seed in range(3)])
    made.series = [1e-6]
    return made


CLOCK = [0]


def rested(seconds: float) -> None: ...


def looked_at(made: Candidate, *order: bool, other: str = "seen", rest: Any = rested) -> HonestyTrace:
    return watch(made, Watch("eager", NEW, other, *order), rest)


class Keeping:
    """Takes 1 ms for values that it has not seen, 0.1 ms for others."""

    def __init__(self) -> None:
        self.kept: dict[bytes, Any] = {}

    def __call__(self, q: Any, k: Any, v: Any) -> Any:
        key = q.tobytes() + k.tobytes() + v.tobytes()
        CLOCK[0] += 10**5 if key in self.kept else 10**6
        return self.kept.setdefault(key, numpy_eager.attention(q, k, v))


@pytest.mark.parametrize(("novel_first", "other"), list(product([True, False], ["seen", "timed"])))
def test_kept_outputs_show_in_either_order(novel_first: bool, other: str) -> None:
    trace = looked_at(candidate(Keeping()), novel_first, other=other)
    assert trace.novel == pytest.approx(1e-3)
    assert trace.other < 2e-4


@pytest.mark.parametrize("novel_first", [True, False])
def test_both_sides_take_the_same_calls(novel_first: bool) -> None:
    calls: list[bytes] = []

    def counting(q: Any, k: Any, v: Any) -> Any:
        calls.append(q.tobytes())
        return numpy_eager.attention(q, k, v)

    looked_at(candidate(counting), novel_first)
    earlier, arms = calls[: 3 * AGAIN], calls[3 * AGAIN : -1]  # the last is listened to
    first, second = arms[: LEADS + 2], arms[LEADS + 2 :]
    assert len(first) == len(second) == LEADS + 2
    old, new = (second, first) if novel_first else (first, second)
    assert set(old) <= set(earlier) and not set(new) & set(earlier)


class Late:
    """NumPy's verbs, for outputs that are computed when they are read for the first time."""

    def __init__(self) -> None:
        self.read = list[Any]()

    def to_numpy(self, array: Any) -> np.ndarray:
        CLOCK[0] += 0 if any(array is one for one in self.read) else 10**7
        self.read.append(array)
        return np.asarray(array)

    def wait(self, array: Any) -> None: ...

    def from_numpy(self, array: np.ndarray, device: str) -> np.ndarray:
        return array


@pytest.mark.parametrize("read_novel", [True, False])
def test_work_at_the_first_reading_shows_in_either_order(read_novel: bool) -> None:
    made = candidate()
    made.framework = Late()
    assert looked_at(made, True, read_novel).reading == pytest.approx(1e-2)
    made.framework = candidate().framework
    assert looked_at(made, True, read_novel).reading == 0


@pytest.mark.parametrize("rest_first", [True, False])
def test_work_after_the_return_shows_beside_what_the_process_does_anyway(
    rest_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processor seconds are 1 ms in each rest, and 4 ms more in the one after a call."""
    used, owed = [0.0], [0.0]

    def lazy(q: Any, k: Any, v: Any) -> Any:
        owed[0] = 4e-3
        return numpy_eager.attention(q, k, v)

    def rest(seconds: float) -> None:
        used[0] += 1e-3 + owed[0]
        owed[0] = 0.0

    monkeypatch.setattr("attention_harness.timing.measure.honesty.process_time", lambda: used[0])
    assert looked_at(candidate(lazy), True, True, rest_first, rest=rest).after == pytest.approx(4e-3)
    assert looked_at(candidate(), True, True, rest_first, rest=rest).after == pytest.approx(0.0)


def test_values_are_new_and_their_outputs_known() -> None:
    """Other inputs in every number, the same output once its signs are taken back; so outputs can be judged without the oracle."""
    made = candidate()
    first = [array.copy() for array in made.calls[0][0]]
    wanted = made.output(made.call(0))["out"]
    for number in (3, 6, FIRST_NUMBER):
        made.fill(number)
        (buffer,) = (one for one in range(3) if made.copy(one) == 0)
        assert all((new != old).any() for new, old in zip(made.calls[buffer][0], first, strict=True))
        assert np.array_equal(made.output(made.call(buffer))["out"], wanted)


@pytest.mark.parametrize(("novel_first", "other"), list(product([True, False], ["seen", "timed"])))
def test_outputs_on_new_values_are_given_back_and_the_candidate_is_left_as_it_was(novel_first: bool, other: str) -> None:
    made = candidate()
    wanted = [made.output(made.call(buffer))["out"] for buffer in range(3)]
    trace = looked_at(made, novel_first, other=other)
    assert len(trace.outputs) == 2
    assert all(np.array_equal(out["out"], wanted[copy]) for copy, out in trace.outputs)
    assert not made.fill(1)


def test_fresh_cases_have_other_magnitudes_and_are_gone_afterwards() -> None:
    seen: list[np.ndarray] = []

    def eager(q: Any, k: Any, v: Any) -> Any:
        seen.append(np.abs(v))
        return numpy_eager.attention(q, k, v)

    made = candidate(eager)
    known = [np.abs(one["v"]) for one in made.contents]
    cases = [Case(Problem(1, 4, 2, 8, 8, 16, 6), seed=seed) for seed in range(7, 10)]
    seen.clear()
    trace = watch(made, Watch("eager", NEW, "seen", cases=tuple(case.to_json() for case in cases)), rested)
    fresh = [one for one in seen if not any(np.array_equal(one, other) for other in known)]
    assert len(fresh) == LEADS + 2
    for copy, out in trace.outputs:
        x = realise(cases[copy])
        assert np.array_equal(out["out"], numpy_eager.attention(x.q, x.k, x.v))
    assert not made.fill(1)
    made.call(0)
    assert any(np.array_equal(seen[-1], other) for other in known)


def test_a_timed_call_has_its_cache_in_the_declared_layout() -> None:
    def eager(q: Any, k: Any, v: Any, *, past_k: Any, past_v: Any) -> Any:
        arrays = {"q": q, "k": k, "v": v, "past_k": past_k, "past_v": past_v}
        q, k, v, *past = (a.swapaxes(1, 2) for a in arrays.values())
        return numpy_eager.attention(q, k, v, past_k=past[0], past_v=past[1]).swapaxes(1, 2)

    x = realise(Case(Problem(2, 4, 2, 3, 8, 16, 6, past=5)))
    made = Candidate(eager, Description("eager", options=CACHE, layout="blhd"))
    made.open([x])
    assert np.array_equal(made.output(made.call(0))["out"], numpy_eager.attention(x.q, x.k, x.v))


def test_one_set_of_inputs_is_enough_to_look() -> None:
    made = Candidate(numpy_eager.attention, Description("eager"))
    made.open([realise(Case(Problem(1, 4, 2, 8, 8, 16, 6), seed=0))])
    made.series = [1e-6]
    assert looked_at(made).outputs


@pytest.mark.parametrize(("series", "buffers"), [([1e-6], 2), ([3e-3, 0.2, 0.3], 2), ([0.03], 1), ([4.0], 1)])
def test_calls_that_waited_for_the_machine_do_not_look_long(series: list[float], buffers: int) -> None:
    made = candidate()
    made.series = series
    assert len(Pace.for_candidate(made).buffers) == buffers

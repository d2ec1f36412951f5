"""The rule of accusations, without a machine: noise, bursts and habits are innocent, cheats are not. Processes are
simulated by seeded draws."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import cycle, product
from typing import Any

import numpy as np
import pytest

from attention_harness.timing.analysis.measurements import Measurements
from attention_harness.timing.analysis.offences import (  # fmt: skip
    CHILDREN,
    GOES_ON,
    KEPT,
    LEVEL,
    MUCH,
    OFFENCES,
    PROCESSES,
    PUT_OFF,
    RESIGNED,
    SLOW_CLOCK,
    THREADS,
    WHEN_TIMED,
    Trial,
    chance,
    needed,
)
from attention_harness.timing.inquiry import Finding, Watcher, inquire
from attention_harness.timing.measure.honesty import IDLE, HonestyTrace
from attention_harness.timing.measure.messages import Round, RoundResult, Watch
from attention_harness.timing.process.child import CandidateFailed

Rng = np.random.Generator
CALL = 1e-3


def test_the_tail_is_that_of_all_outcomes_counted() -> None:
    for rounds in range(1, 9):
        heads = [sum(coins) for coins in product((0, 1), repeat=rounds)]
        for least in range(rounds + 1):
            assert chance(rounds, least) == sum(one >= least for one in heads) / 2**rounds


@pytest.mark.parametrize("rounds", range(1, 60))
def test_needed_is_the_fewest_within_the_level(rounds: int) -> None:
    least = needed(rounds)
    assert chance(rounds, least) <= LEVEL < chance(rounds, least - 1)
    assert least <= rounds or rounds < 7  # 1 / 2**7 is the first below 1 of 100


def test_honest_rows_are_accused_less_than_once_in_100_000() -> None:
    """All offences, each in all processes, for every number of rounds that a trial may have."""
    worst = max(chance(rounds, needed(rounds)) for rounds in range(17, 42))
    assert len(OFFENCES) * worst**PROCESSES <= 1 / 130_000


class Bursts:
    """Seconds of calls on a machine that a neighbour takes away in long spells: neither independent nor alike."""

    def __init__(self, rng: Rng) -> None:
        self.rng, self.busy = rng, False

    def __call__(self, seconds: float) -> float:
        self.busy ^= bool(self.rng.random() < 0.4)
        return seconds * (self.rng.uniform(1.5, 12) if self.busy else self.rng.uniform(1.0, 1.1))


def process(rng: Rng, seen_takes: float = CALL, **always: float) -> Callable[[Watch], HonestyTrace]:
    """Answers Watch as a process with bursts does whose calls on seen values take `seen_takes`."""
    spend = Bursts(rng)

    def answer(watch: Watch) -> HonestyTrace:
        order = ("novel", "other") if watch.novel_first else ("other", "novel")
        took = {name: spend(CALL if name == "novel" else seen_takes) for name in order}
        fresh, again = (spend(CALL) for _ in range(2))
        reading = fresh - again if watch.read_novel else again - fresh
        return replace(HonestyTrace(took["novel"], took["other"], reading), **always)

    return answer


def watcher(rng: Rng, ask: Callable[[Watch], HonestyTrace]) -> Watcher:
    return Watcher(ask, "one", lambda trace: None, lambda: bool(rng.integers(2)))


def finding_of(seed: int, *seen_takes: float, offence: Any = KEPT, **always: float) -> Finding:
    """Of processes whose calls on seen values take so long; the first is the one of the timing."""
    rng = np.random.default_rng(seed)
    here, *fresh = (watcher(rng, process(rng, seconds, **always)) for seconds in seen_takes)
    turns = iter(fresh)
    return inquire(here, offence, lambda: next(turns).trial(offence))


def guilty_trials(shows: np.ndarray) -> np.ndarray:
    """Guilty, of trials whose rounds are columns: the rule of Trial, for many at once."""
    return shows.sum(-1) >= needed(shows.shape[-1])


@pytest.mark.parametrize("noise", ["quiet", "bursts", "heavy tails", "ramps"])
def test_noise_accuses_nobody_in_many_thousand_rows(noise: str) -> None:
    """20,000 rows of honest code, three processes each: none is guilty in all, and at most the stated share in one."""
    rng = np.random.default_rng(7)
    shape = (20_000, PROCESSES, 41, 2)
    times = {
        "quiet": lambda: rng.normal(1, 0.01, shape), "bursts": lambda: 1 + 9 * (rng.random(shape) < 0.5),
        "heavy tails": lambda: 1 + np.exp(3 * rng.standard_normal(shape)),
        "ramps": lambda: 1.0 + 9 * np.broadcast_to(np.arange(2), shape),
    }[noise]()  # fmt: skip
    coins = rng.random(shape[:3]) < 0.5
    novel, other = (np.where(coins == which, times[..., 0], times[..., 1]) for which in (True, False))
    guilty = guilty_trials(novel > MUCH * other)
    assert not guilty.all(-1).any()
    assert guilty.mean() <= LEVEL


def test_honest_code_is_never_dishonest_beside_a_neighbour() -> None:
    """The whole inquiry, entered on every offence as if a first look had suspected it."""
    inside = [offence for offence in OFFENCES if offence.other != "clock"]
    outcomes = [finding_of(seed, *[CALL] * 4, offence=offence).outcome for seed in range(60) for offence in inside]
    assert "dishonest" not in outcomes


@pytest.mark.parametrize("seed", range(5))
def test_a_cheat_in_every_process_is_dishonest(seed: int) -> None:
    finding = finding_of(seed, *[CALL / 50] * 4)
    assert finding.outcome == "dishonest"
    assert "on new ones" in finding.reason and "outputs are kept" in finding.reason and "3 fresh processes" in finding.reason


@pytest.mark.parametrize("seen_takes", [(CALL / 50, CALL, CALL, CALL), (CALL / 50, CALL / 50, CALL / 50, CALL)])
def test_a_cheat_in_some_processes_is_undecided(seen_takes: tuple[float, ...]) -> None:
    finding = finding_of(3, *seen_takes)
    assert finding.outcome == "undecided" and finding.reason.startswith("undecided whether outputs are kept: ")


def test_a_suspicion_that_the_same_process_refutes_starts_no_other() -> None:
    assert finding_of(0, CALL) == Finding()


@pytest.mark.parametrize(("pattern", "outcome"), [([1, 4], "undecided"), ([1, 1, 1, 4, 4], "")])
def test_what_stays_between_is_undecided_unless_all_processes_together_clear_it(pattern: list[int], outcome: str) -> None:
    """Four times as fast on values seen before in half of the rounds, and in two of five."""
    speed, started = cycle(pattern), []
    here = watcher(np.random.default_rng(1), lambda watch: HonestyTrace(CALL, CALL / next(speed)))

    def fresh() -> Trial:
        started.append(here.trial(KEPT))
        return started[-1]

    assert inquire(here, KEPT, fresh).outcome == outcome
    assert started and not any(trial.guilty or trial.innocent for trial in started)


@pytest.mark.parametrize(
    ("offence", "offending", "honest"),
    [
        (KEPT, {"other": CALL / 2}, {"other": CALL / 1.4}), (WHEN_TIMED, {"other": CALL / 4}, {"other": CALL / 2.5}),
        (PUT_OFF, {"reading": 2 * CALL}, {"reading": CALL / 2}), (GOES_ON, {"after": 0.8 * IDLE}, {"after": 0.4 * IDLE}),
        (THREADS, {"cores": 1.9}, {"cores": 1.4}), (RESIGNED, {"other": CALL / 4}, {"other": CALL / 2.5}),
    ],
)  # fmt: skip
def test_offences_have_a_size(offence: Any, offending: dict[str, float], honest: dict[str, float]) -> None:
    rng = np.random.default_rng(0)
    for seen, outcome in ((offending, "dishonest"), (honest, "")):
        answer = replace(HonestyTrace(CALL, CALL), **seen)
        one = watcher(rng, lambda watch, answer=answer: answer)  # type: ignore[misc]
        assert inquire(one, offence, lambda one=one: one.trial(offence)).outcome == outcome  # type: ignore[misc]


def test_a_first_look_suspects_by_half_of_its_rounds_and_by_the_timed_rounds() -> None:
    rng = np.random.default_rng(0)
    honest = watcher(rng, lambda watch: HonestyTrace(CALL, CALL))
    assert honest.glance(0.0, CALL) == []
    assert honest.glance(0.0, CALL / 4) == [WHEN_TIMED]
    assert watcher(rng, lambda watch: HonestyTrace(CALL, CALL / 2)).glance(0.0, CALL) == [KEPT]


class Outside:
    """A process whose slots take 1 ms a call, seen from outside: its own clock may be slow, its children may work too, and each
    message takes as long as a busy machine lets it."""

    def __init__(self, rng: Rng, clock: float = 1.0, children: float = 0.0, processor: float = 1.0) -> None:
        self.rng, self.clock, self.children, self.share = rng, clock, children, processor
        self.waits: Callable[[float], float] = rng.exponential
        self.now = self.used = 0.0
        self.asked: list[Round] = []

    def ask(self, message: Any) -> Any:
        if not isinstance(message, Round):
            return HonestyTrace(CALL, CALL)
        ((slot,),) = message.rows
        self.asked.append(message)
        took = CALL * (1 + slot.inner)
        self.now += took + self.waits(2e-3)
        self.used += took * (self.share + self.children)
        return RoundResult(in_calls=took * self.clock)


def clocked(monkeypatch: pytest.MonkeyPatch, outside: Outside, offence: Any) -> str:
    monkeypatch.setattr("attention_harness.timing.inquiry.monotonic", lambda: outside.now)
    coins = np.random.default_rng(5)
    one = Watcher(outside.ask, "one", lambda trace: None, lambda: bool(coins.integers(2)), processor=lambda: outside.used)
    return inquire(one, offence, lambda: one.trial(offence)).outcome


@pytest.mark.parametrize(("clock", "outcome"), [(1.0, ""), (0.7, ""), (0.4, "dishonest"), (0.1, "dishonest")])
def test_a_slow_clock_is_seen_from_outside(clock: float, outcome: str, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = Outside(np.random.default_rng(1), clock)
    assert clocked(monkeypatch, outside, SLOW_CLOCK) == outcome
    numbers = [message.number for message in outside.asked]
    assert len(set(numbers)) == len(numbers)
    slots = [message.rows[0][0].inner for message in outside.asked]
    assert {slots[i] == 1 for i in range(0, len(slots), 2)} == {True, False}  # in either order


def test_an_honest_clock_is_never_called_slow_however_long_messages_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages take as long as the calls, and in bursts twelve times as long."""
    for seed in range(40):
        outside = Outside(np.random.default_rng(seed))
        outside.waits = partial(lambda spend, seconds: 5 * spend(seconds), Bursts(outside.rng))
        monkeypatch.setattr("attention_harness.timing.inquiry.monotonic", lambda outside=outside: outside.now)
        coins = np.random.default_rng(100 + seed)
        one = Watcher(outside.ask, "one", lambda trace: None, lambda coins=coins: bool(coins.integers(2)), processor=lambda: 0.0)
        assert inquire(one, SLOW_CLOCK, lambda one=one: one.trial(SLOW_CLOCK)).outcome != "dishonest"


@pytest.mark.parametrize(
    ("children", "processor", "outcome"), [(0.0, 1.0, ""), (0.3, 1.0, ""), (0.9, 1.0, "dishonest"), (0.9, 0.3, "")]
)
def test_processors_of_children_count(children: float, processor: float, outcome: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy with others gives less than a processor: then nobody is accused."""
    assert clocked(monkeypatch, Outside(np.random.default_rng(1), 1.0, children, processor), CHILDREN) == outcome


def test_where_the_processor_time_cannot_be_seen_nobody_looks_from_outside() -> None:
    outside = Outside(np.random.default_rng(1))
    assert Watcher(outside.ask, "one", lambda trace: None).glance(0.0, CALL) == [] and not outside.asked


def test_new_values_have_new_magnitudes_and_are_judged_as_such() -> None:
    judged, cases = list[Any](), ({"seed": 1}, {"seed": 2})
    watches = list[Watch]()

    def ask(watch: Any) -> Any:
        watches.append(watch)
        return HonestyTrace(CALL, CALL, outputs=[(1, {})])

    one = Watcher(ask, "one", lambda trace: judged.append(trace.outputs), fresh=lambda: (3, cases))
    one.round("fresh")
    one.round("seen")
    assert [watch.cases for watch in watches] == [cases, ()] and {watch.other for watch in watches} == {"seen"}
    assert judged == [[(4, {})], [(1, {})]]


def test_rounds_end_when_nothing_can_change() -> None:
    rounds = 41
    trial = Trial(KEPT, rounds, [HonestyTrace(CALL, CALL)] * (needed(rounds) - 1))
    assert not trial.decided
    trial.seen.append(HonestyTrace(CALL, CALL))
    assert trial.decided and trial.innocent and not trial.guilty


def test_wrong_outputs_on_new_values_end_it_at_once() -> None:
    def wrong(trace: HonestyTrace) -> None:
        raise CandidateFailed("one", "out[0]=1, but should be 2", died=False, outcome="wrong")

    one = Watcher(lambda watch: HonestyTrace(CALL, CALL), "one", wrong)
    with pytest.raises(CandidateFailed, match="should be 2"):
        one.glance(0.0, CALL)


def test_numbers_come_once_and_either_of_two_is_new() -> None:
    watches: list[Watch] = []

    def answer(watch: Watch) -> HonestyTrace:
        watches.append(watch)
        return HonestyTrace(CALL, CALL)

    watcher(np.random.default_rng(0), answer).trial(KEPT)
    numbers = [number for watch in watches for number in watch.numbers]
    assert len(set(numbers)) == len(numbers)
    assert {watch.numbers[0] < watch.numbers[1] for watch in watches} == {watch.novel_first for watch in watches} == {True, False}


@pytest.mark.parametrize(
    ("outcome", "verdict"), [("undecided", "UNRESOLVED"), ("dishonest", "INVALID"), ("unsupported", "UNSUPPORTED")]
)
def test_only_what_is_shown_is_invalid(outcome: str, verdict: str) -> None:
    measurements = Measurements(None)  # type: ignore[arg-type]
    measurements.lose("one", outcome, "why")
    assert measurements.lost["one"] == (verdict, "why")

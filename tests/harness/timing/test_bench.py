"""The whole timing in this process, with a clock that only moves when a candidate says so: nothing depends on the machine."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from attention_harness.audit.controls import CONTROLS
from attention_harness.cli.timing import invalid
from attention_harness.process.messages import Failure
from attention_harness.registry.targets import Target
from attention_harness.timing import Bench, Settings, bench
from attention_harness.timing.analysis.measurements import TWIN
from attention_harness.timing.analysis.tables import COLUMNS
from attention_harness.timing.process.child import CandidateFailed
from attention_harness.timing.process.server import Server
from attention_harness.timing.workloads import Workload
from attention_implementations.numpy import eager as numpy_eager
from attention_specs.attention.problem import Problem

pytestmark = pytest.mark.slow

SMALL = Workload("small", "a small one", "nobody", Problem(1, 4, 2, 8, 8, 4, 4, is_causal=True))
WIDE = replace(SMALL, name="wide", problem=Problem(1, 4, 2, 8, 8, 16, 16, is_causal=True))
"""With so many columns that signs drawn anew do not come again."""
GIVEN = Workload("capped", "with a soft cap", "nobody", Problem(1, 4, 2, 8, 8, 4, 4, softcap=5.0))


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """No candidate goes on after the return here, so a short wait is enough."""
    monkeypatch.setattr("attention_harness.timing.measure.honesty.IDLE", 1e-5)


class Clock:
    """Nanoseconds that pass when advanced by a call."""

    def __init__(self) -> None:
        self.now, self.rng = 0, np.random.default_rng(0)

    def __call__(self) -> int:
        return self.now

    def spend(self, seconds: float) -> None:
        self.now += int(1e9 * seconds * (1 + 0.01 * self.rng.random()))


CLOCK = Clock()


def eager(seconds: float, *args: Any, **options: Any) -> Any:
    CLOCK.spend(seconds)
    return numpy_eager.attention(*args, **options)


def baseline(q: Any, k: Any, v: Any, *, is_causal: bool = False, softcap: Any = None) -> Any:
    return eager(1e-4, q, k, v, is_causal=is_causal, softcap=softcap)


def level(q: Any, k: Any, v: Any, *, is_causal: bool = False) -> Any:
    return eager(1e-4, q, k, v, is_causal=is_causal)


def slow(q: Any, k: Any, v: Any, *, is_causal: bool = False) -> Any:
    return eager(2e-4, q, k, v, is_causal=is_causal)


def fast(q: Any, k: Any, v: Any, *, is_causal: bool = False) -> Any:
    return eager(5e-5, q, k, v, is_causal=is_causal)


def acausal(q: Any, k: Any, v: Any, *, is_causal: bool = False) -> Any:
    return eager(1e-5, q, k, v)


KEPT: dict[Any, Any] = {}


def by_shape(q: Any, k: Any, v: Any, *, is_causal: bool = False) -> Any:
    return KEPT.setdefault(q.shape, numpy_eager.attention(q, k, v, is_causal=is_causal))


def by_address(q: Any, k: Any, v: Any, *, is_causal: bool = False) -> Any:
    CLOCK.spend(1e-5)
    return KEPT.setdefault(q.ctypes.data, numpy_eager.attention(q, k, v, is_causal=is_causal))


def by_values(q: Any, k: Any, v: Any, *, is_causal: bool = False) -> Any:
    key = q.tobytes() + k.tobytes() + v.tobytes()
    CLOCK.spend(1e-5 if key in KEPT else 1e-4)
    return KEPT.setdefault(key, numpy_eager.attention(q, k, v, is_causal=is_causal))


def by_habit(q: Any, k: Any, v: Any, *, is_causal: bool = False) -> Any:
    """Like `by_values`, from the third time on that it sees them."""
    key = q.tobytes() + k.tobytes() + v.tobytes()
    KEPT[key] = KEPT.get(key, 0) + 1
    return eager(1e-5 if KEPT[key] > 2 else 1e-4, q, k, v, is_causal=is_causal)


STARTED, ASKED = [0], [0]
"""Processes of this timing so far, and the number of the one that answers."""


def by_values_at_first(q: Any, k: Any, v: Any, *, is_causal: bool = False) -> Any:
    """Keeps outputs in the first process only."""
    return (by_values if ASKED[0] == 1 else level)(q, k, v, is_causal=is_causal)


def by_values_then_none(q: Any, k: Any, v: Any, *, is_causal: bool = False) -> Any:
    """Keeps outputs in the first process, and works in no other."""
    return (by_values if ASKED[0] == 1 else raises)(q, k, v, is_causal=is_causal)


def tires(q: Any, k: Any, v: Any, *, is_causal: bool = False) -> Any:
    KEPT["calls"] = KEPT.get("calls", 0) + 1
    return np.zeros_like(q) if KEPT["calls"] > 40 else level(q, k, v, is_causal=is_causal)


def overwrites(q: Any, k: Any, v: Any, *, is_causal: bool = False) -> Any:
    out = level(q, k, v, is_causal=is_causal)
    v[...] = 0
    return out


def raises(q: Any, k: Any, v: Any, *, is_causal: bool = False) -> Any:
    raise ValueError("not today")


def refuses(q: Any, k: Any, v: Any, *, is_causal: bool = False) -> Any:
    raise NotImplementedError("no causal kernel")


class Here:
    """Stands in for a Child: the same messages, in this process."""

    def __init__(self) -> None:
        self.name, self.answers = "", list[Any]()
        self.server = Server(self.note, CLOCK)
        STARTED[0] += 1
        self.number = STARTED[0]

    def note(self, name: str) -> None:
        self.name = name

    def send(self, message: Any) -> None:
        ASKED[0] = self.number
        self.answers.append(self.server.answer(message))

    def receive(self) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, Failure):
            raise CandidateFailed(self.name, answer.message, died=False, outcome=answer.kind)
        return answer

    def ask(self, message: Any) -> Any:
        self.send(message)
        return self.receive()

    def processor(self) -> None: ...

    def stop(self) -> None: ...


def target(function: Callable[..., Any]) -> Target:
    return Target(function.__name__, f"{__name__}:{function.__name__}", registered=False)


def timed(*functions: Callable[..., Any], workload: Workload = SMALL, **settings: Any) -> Bench:
    KEPT.clear()
    STARTED[0] = 0
    chosen = Settings(baseline="baseline", seconds_per_workload=0.05, replicas=1, **settings)
    return bench([target(f) for f in (baseline, *functions)], [workload], chosen, start=Here)


def rows(result: Bench) -> dict[str, dict[str, Any]]:
    return {row["implementation"]: row for row in result.rows}


def test_planted_differences_are_decided() -> None:
    by_name = rows(timed(level, slow, fast))
    assert {name: row["verdict"] for name, row in by_name.items()} == {
        "baseline": "BASELINE", "level": "SAME", "slow": "SLOWER", "fast": "FASTER",
    }  # fmt: skip
    assert by_name["slow"]["ratio"] == pytest.approx(2, rel=0.02)
    assert by_name["slow"]["ratio_low"] <= by_name["slow"]["ratio"] <= by_name["slow"]["ratio_high"]
    assert by_name["level"]["median"] == pytest.approx(1e-4, rel=0.02)


def test_rows_have_the_columns_of_the_table() -> None:
    result = timed(level)
    assert all(tuple(row) == COLUMNS for row in result.rows)
    assert set(result.noise) >= {"floor", "aa_half_width", "load", "trust", "overhead", "comparisons"}
    assert {row["implementation"] for row in result.rounds} == {"baseline", "level", TWIN}
    assert sum(row["samples"] for row in result.rounds if row["implementation"] == "level") == rows(result)["level"]["samples"]
    assert {name: len(s) for name, s in result.samples["small"].items()} == {n: r["samples"] for n, r in rows(result).items()}


def trained(name: str, factor: float) -> Callable[..., Any]:
    control = CONTROLS["eager, with gradients"]

    def attention(q: Any, k: Any, v: Any, *, is_causal: bool = False) -> Any:
        return control(q, k, v, is_causal=is_causal)

    def backward(*given: Any) -> Any:
        CLOCK.spend(3e-4)
        gradients = control.backward(*given)  # type: ignore[attr-defined]
        return gradients | {"q": (factor * gradients["q"]).astype(gradients["q"].dtype)}

    attention.__name__, attention.backward = name, backward  # type: ignore[attr-defined]
    globals()[name] = attention
    return attention


def test_training_is_judged_by_its_gradients_and_counts_three_and_a_half_times_the_operations() -> None:
    workload = replace(SMALL, direction="forward+backward", sweep="lengths", varied="length", value=8.0)
    chosen = Settings(baseline="right", seconds_per_workload=0.05, replicas=1)
    targets = [target(f) for f in (trained("right", 1), trained("wrong", 1.01), level)]
    by_name = rows(bench(targets, [workload], chosen, start=Here))
    assert by_name["right"]["direction"] == "forward+backward" and by_name["right"]["value"] == 8.0
    assert by_name["wrong"]["verdict"] == "INVALID" and by_name["wrong"]["reason"].startswith("dq[")
    assert by_name["level"]["verdict"] == "UNSUPPORTED" and "differentiates" in by_name["level"]["reason"]
    pairs = 4 * (8 * 9 / 2)
    assert by_name["right"]["gflops"] == pytest.approx(3.5 * 4 * 4 * pairs / by_name["right"]["median"] / 1e9)


def test_flops_count_visible_pairs() -> None:
    row = rows(timed(level))["level"]
    pairs = 4 * (8 * 9 / 2)
    assert row["gflops"] == pytest.approx(4 * 4 * pairs / row["median"] / 1e9)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (acausal, "but should be"), (by_shape, "but should be"), (by_address, "in a timed call: out["),
        (by_values, "takes"), (by_habit, "takes"), (tires, "in a timed call: out["), (overwrites, "wrote to its inputs"), (raises, "ValueError: not today"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_invalid_and_disturbs_no_other(function: Callable[..., Any], reason: str) -> None:
    by_name = rows(timed(function, slow, workload=WIDE))
    row = by_name[function.__name__]
    assert row["verdict"] == "INVALID" and reason in row["reason"]
    assert row["samples"] == 0 and np.isnan([row["median"], row["ratio"], row["gflops"]]).all()
    assert by_name["slow"]["verdict"] == "SLOWER"


@pytest.mark.parametrize(
    ("function", "reason"),
    [(by_values_at_first, "undecided whether outputs are kept: "), (by_values_then_none, "in a process of its own, ValueError: not today")],
)  # fmt: skip
def test_a_cheat_that_fresh_processes_do_not_show_is_unresolved_and_fails_no_run(
    function: Callable[..., Any], reason: str
) -> None:
    by_name = rows(timed(function, slow, workload=WIDE))
    row = by_name[function.__name__]
    assert row["verdict"] == "UNRESOLVED" and reason in row["reason"]
    assert row["samples"] == 0 and np.isnan([row["median"], row["ratio"], row["gflops"]]).all()
    assert by_name["slow"]["verdict"] == "SLOWER"
    assert not invalid(list(by_name.values()))


def test_what_is_not_claimed_is_unsupported() -> None:
    assert rows(timed(refuses))["refuses"]["reason"] == "no causal kernel"
    row = rows(timed(level, workload=GIVEN))["level"]
    assert (row["verdict"], row["reason"]) == ("UNSUPPORTED", "softcap not in its signature")


def test_a_baseline_that_cannot_gives_way_to_the_first_that_can() -> None:
    result = bench([target(raises), target(slow), target(level)], [SMALL], Settings(True, 0, "raises", 0.05), start=Here)
    assert [row["verdict"] for row in result.rows] == ["INVALID", "BASELINE", "FASTER"]
    assert {row["baseline"] for row in result.rows} == {"slow"}


def test_the_absent_are_named_with_a_reason() -> None:
    gone = Target("gone", "no_such_module_at_all:attention", registered=False)
    result = bench([target(baseline), target(level), gone], [SMALL], Settings(True, 0, "baseline", 0.05), start=Here)
    assert "no_such_module_at_all" in result.absent["gone"] and result.unloadable == ()
    assert "gone" not in rows(result)


def test_the_unloadable_have_a_row_that_says_why() -> None:
    broken = Target("broken", f"{__name__}:nothing_of_that_name", registered=False)
    result = bench([target(baseline), target(level), broken], [SMALL], Settings(True, 0, "baseline", 0.05), start=Here)
    row = rows(result)["broken"]
    assert row["verdict"] == "INVALID" and row["reason"].startswith("cannot be loaded: target=")
    assert result.unloadable == ("broken",) and rows(result)["level"]["verdict"] == "SAME"
    alone = bench([broken], [SMALL], Settings(True, 0, "numpy-eager", 0.05), start=Here)
    assert rows(alone)["broken"]["verdict"] == "INVALID"


def test_the_same_seed_is_the_same_schedule() -> None:
    orders = []
    for _ in range(2):
        CLOCK.rng, CLOCK.now = np.random.default_rng(3), 0
        orders.append(timed(slow, seed=4).samples)
    assert orders[0] == orders[1]

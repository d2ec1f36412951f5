"""A timing whose process ends, or in which nothing can be opened, comes to an end itself."""

from __future__ import annotations

from typing import Any

import pytest

from attention_harness.errors import UsageError
from attention_harness.process.messages import Failure
from attention_harness.registry.targets import Target
from attention_harness.timing import Settings, bench
from attention_harness.timing.process.child import CandidateFailed
from attention_harness.timing.process.server import Server
from attention_harness.timing.workloads import Workload
from attention_specs.attention.problem import Problem

SMALL = Workload("small", "a small one", "nobody", Problem(1, 4, 2, 8, 8, 4, 4, is_causal=True))
TARGETS = [Target(name, f"attention_implementations.{name.replace('-', '.')}:") for name in ("numpy-eager", "numpy-online")]
SHORT = Settings(baseline="numpy-eager", seconds_per_workload=0.05, replicas=1)


class Here:
    """Stands in for a Child: the same messages, in this process; it ends when first asked, until so many have."""

    started, until = 0, 0

    def __init__(self) -> None:
        self.name, self.answers = "", list[Any]()
        self.server = Server(lambda name: setattr(self, "name", name))
        type(self).started += 1
        self.dies = self.started <= self.until

    def send(self, message: Any) -> None:
        self.answers.append(None if self.dies else self.server.answer(message))

    def receive(self) -> Any:
        answer = self.answers.pop(0)
        if self.dies:
            raise CandidateFailed("", "the process exited with status 1")
        if isinstance(answer, Failure):
            raise CandidateFailed(self.name, answer.message, died=False, outcome=answer.kind)
        return answer

    def ask(self, message: Any) -> Any:
        self.send(message)
        return self.receive()

    def processor(self) -> None: ...

    def stop(self) -> None: ...


@pytest.mark.slow
@pytest.mark.parametrize(("until", "processes"), [(10**9, 3), (2, 3), (0, 1)])
def test_a_process_that_ends_in_nobodys_code_is_started_again_a_few_times(until: int, processes: int) -> None:
    class Dying(Here):
        pass

    Dying.until = until
    result = bench(TARGETS, [SMALL], SHORT, start=Dying)
    if until > processes:
        assert Dying.started == processes
        assert result.rows == [] and result.unloadable == ()
        assert set(result.absent) == {"numpy-eager", "numpy-online"} and "exited with status 1" in result.absent["numpy-online"]
    else:
        assert Dying.started >= processes
        assert {row["implementation"] for row in result.rows} == {"numpy-eager", "numpy-online"} and result.absent == {}


class Blocked(Here):
    """A process in which no workload can be opened."""

    def receive(self) -> Any:
        answer = super().receive()
        if answer is True:
            raise CandidateFailed("", "cannot make the inputs", died=False, outcome="errored")
        return answer


def test_a_workload_that_cannot_be_opened_ends() -> None:
    result = bench(TARGETS, [SMALL], SHORT, start=Blocked)
    assert {(row["verdict"], row["reason"]) for row in result.rows} == {("INVALID", "cannot make the inputs")}


def test_an_unknown_baseline_is_a_wrong_call() -> None:
    with pytest.raises(UsageError, match="target=nobody"):
        bench(TARGETS, [SMALL], Settings(baseline="nobody"), start=Here)


def test_layers_are_not_timed_on_attention() -> None:
    layer = Target("numpy-multi-head", "attention_implementations.numpy.multi_head:")
    result = bench([layer], [SMALL], Settings(quick=True), start=Here)
    assert result.rows == [] and result.samples == {"small": {}} and result.unloadable == ()
    assert result.absent["numpy-multi-head"].startswith("spec=multi-head, but should be attention")
    assert result.absent["numpy-multi-head"].endswith("Time the function between the projections of the layer")

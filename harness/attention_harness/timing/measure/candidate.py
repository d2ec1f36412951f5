"""One candidate in the timed process: its function, its own native inputs in several copies, and its slots.

Each candidate has buffers of its own, so that none gains by another's warm cache or suffers from another's writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from time import perf_counter_ns

import numpy as np

from attention_harness import frameworks
from attention_harness.registry.call_form import CallForm
from attention_harness.timing.measure.buffers import Signs, own_copy, same_bits
from attention_harness.timing.measure.messages import FirstCalls, Outputs, WarmUp
from attention_harness.timing.workloads import TRAINING
from attention_specs.attention import spec as spec
from attention_specs.attention.domain import Domain, values_of
from attention_specs.attention.inputs import Inputs
from attention_specs.contract import FUSED, Description
from attention_specs.forms import form_of
from attention_specs.properties.gradients import output_gradient

Clock = Callable[[], int]
"""Nanoseconds, monotonic."""

WINDOW = 5
STEADY = 0.05
LEAST_SECONDS = 0.05
"""Steady: the median of the last five calls is within 5 % of the five before, after 50 ms at least."""


class Candidate:
    """A loaded implementation, ready to be called on the copies of one workload's inputs."""

    def __init__(self, function: Callable[..., object], description: Description, clock: Clock = perf_counter_ns) -> None:
        self.attention, self.description, self.clock = function, description, clock
        self.framework = frameworks.load(description.framework)
        self.form, self.way = CallForm(description), form_of(description)
        self.close()

    def close(self) -> None:
        """Drops all arrays."""
        self.function = self.attention
        self.asked: list[Inputs] = []
        self.contents: list[dict[str, np.ndarray]] = []
        self.buffers: list[dict[str, np.ndarray]] = []
        self.options: list[dict[str, object]] = []
        self.calls: list[tuple[list[object], dict[str, object]]] = []
        self.series: list[float] = []
        self.number, self.signs, self.direction = 0, Signs(), "forward"

    def open(self, copies: Sequence[Inputs], direction: str = "forward") -> None:
        """Makes the native inputs of all copies. Raises attention_specs.attention.spec.Unsupported or NotImplementedError."""
        dtypes = self.description.dtypes
        if dtypes is not None and copies[0].dtype not in dtypes:
            raise NotImplementedError(f"dtype={copies[0].dtype}, but should be among {', '.join(dtypes)}")
        if broken := Domain.of(self.description.domain).broken(values_of(copies[0])):
            raise NotImplementedError(f"outside of the declared domain, {broken}")
        if fused := [name for name in self.description.positional if name in FUSED]:
            raise NotImplementedError(f"positional={', '.join(fused)}, but should be q, k, v: fused arrays are not timed")
        self.direction = direction
        self.take(copies)
        self.buffers = [{name: own_copy(array) for name, array in arrays.items()} for arrays in self.contents]
        if direction == TRAINING:
            self.function = self.framework.compiled(self._train, self.options[0])
        self.fill(0)

    def take(self, copies: Sequence[Inputs]) -> None:
        """From the next `fill` on, has the values and the options of these copies; they are of one problem with those before."""
        self.asked = [spec.lower(x.as_declared(self.description), self.description.options) for x in copies]
        calls = [self.way.to_call(x, spec.call(x)) for x in self.asked]
        douts = [self.way.to_answer(x, "out", output_gradient(x)) if self.direction == TRAINING else None for x in copies]
        self.contents = [self._filled(call, dout) for call, dout in zip(calls, douts, strict=True)]
        options = [self.form.completed(call.arrays, call.options) for call in calls]
        self.options = [
            {name: self._native(self.form.given(name, value)) for name, value in given.items() if name not in self.way.rows}
            for given in options
        ]

    @contextmanager
    def taking(self, copies: Sequence[Inputs]) -> Iterator[None]:
        """Has these copies meanwhile, if there are any; afterwards, from the next `fill` on, the earlier ones again."""
        before = self.asked, self.contents, self.options
        if copies:
            self.take(copies)
        try:
            yield
        finally:
            self.asked, self.contents, self.options = before

    def _train(self, q: object, k: object, v: object, dout: object, **options: object) -> dict[str, object]:
        """The output and its gradients, in one call."""
        arrays: dict[str, object] = {"q": q, "k": k, "v": v}
        out, gradients = frameworks.gradient(self.framework, self.attention, arrays, options, ("q", "k", "v"), dout)
        return {"out": out} | {f"d{name}": gradient for name, gradient in gradients.items()}

    def _filled(self, call: spec.Call, dout: np.ndarray | None) -> dict[str, np.ndarray]:
        """The arrays that get new values in each round: the positional ones, and those of a cache."""
        cache = {name: value for name, value in call.options.items() if name in self.way.rows and isinstance(value, np.ndarray)}
        arrays = dict(call.arrays) if dout is None else {**call.arrays, "dout": dout}
        return {name: self._own(name, array) for name, array in (arrays | cache).items()}

    def fill(self, number: int) -> bool:
        """Moves the contents on by `number` buffers, with signs of that number: neither an address nor earlier values give the
        answer away. Returns whether the candidate had written to the buffer that is compared first, but for what its form has
        it write to.
        """
        looked_at = number % len(self.buffers)
        wrote = bool(self.calls) and any(
            not same_bits(self.buffers[looked_at][name], array)
            for name, array in self._content(looked_at).items()
            if name not in self.way.written
        )
        x = self.asked[0]
        self.number, self.signs = number, Signs.from_number(number, x.q.shape[-1], x.v.shape[-1])
        for i, buffer in enumerate(self.buffers):
            for name, array in self.contents[self.copy(i)].items():
                self.signs.give(name, array, buffer[name])
        self.calls = [self._arguments(*pair) for pair in zip(self.buffers, self.options, strict=True)]
        return wrote

    def _content(self, buffer: int) -> dict[str, np.ndarray]:
        """The values that the buffer was filled with last."""
        return {name: self.signs.given(name, array) for name, array in self.contents[self.copy(buffer)].items()}

    def _arguments(self, buffer: dict[str, np.ndarray], options: dict[str, object]) -> tuple[list[object], dict[str, object]]:
        native = {name: self._native(array) for name, array in buffer.items()}
        rows = {name: native.pop(name) for name in self.way.rows if name in native}
        return list(native.values()), options | rows

    def copy(self, buffer: int) -> int:
        """The copy whose contents the buffer holds now."""
        return (buffer + self.number) % len(self.contents)

    def _native(self, value: object) -> object:
        if not isinstance(value, np.ndarray):
            return value
        native = self.framework.from_numpy(value, self.description.device)
        self.framework.wait(native)
        return native

    def _own(self, name: str, array: np.ndarray) -> np.ndarray:
        """The array in the form of the function, in the usual order."""
        own = self.form.given(name, array)
        assert isinstance(own, np.ndarray)
        return own if own is array else np.ascontiguousarray(own)

    def output(self, native: object) -> Outputs:
        """The output, or also its gradients, as NumPy's, on memory of its own, for the values without signs. Raises TypeError."""
        if isinstance(native, tuple):
            raise TypeError(f"output=a tuple of {len(native)}, but should be one array where nothing more is asked for")
        named = native if isinstance(native, dict) else {"out": native}
        return {name: self.signs.taken(name, self._back(name, self.framework.to_numpy(array))) for name, array in named.items()}

    def _back(self, name: str, array: np.ndarray) -> np.ndarray:
        """The result as the contract has it; one of a wrong shape as it is, for the gate to see."""
        x, own = self.asked[0], np.array(self.form.back(name.removeprefix("d"), array))
        return self.way.from_answer(x, name, own) if own.shape == self.way.shape(x, name) else own

    def call(self, buffer: int) -> object:
        """The output on this buffer, computed to the end."""
        arrays, options = self.calls[buffer % len(self.calls)]
        out = self.function(*arrays, **options)
        self.framework.wait(out)
        return out

    def timed(self, buffer: int) -> tuple[float, object]:
        """Seconds of one call, and its output."""
        start = self.clock()
        out = self.call(buffer)
        return (self.clock() - start) / 1e9, out

    def first_calls(self) -> FirstCalls:
        """One call per copy; the first includes compilation and set-up."""
        results = [self.timed(buffer) for buffer in range(len(self.calls))]
        self.series = [seconds for seconds, _ in results[1:]]
        return FirstCalls(tuple(seconds for seconds, _ in results), tuple(self.output(out) for _, out in results))

    def warm_up(self, cap: float) -> WarmUp:
        """Calls until steady, for `cap` seconds at most, once at least; the calls after the first count too."""
        series = [*self.series, self.timed(0)[0]]
        while sum(series) < cap and not is_steady(series):
            series.append(self.timed(len(series))[0])
        return WarmUp(median(series[-WINDOW:]), len(series), is_steady(series))

    def slot(self, inner: int, start: int, keep: int | None) -> tuple[float, float, object]:
        """Seconds of a first call, whose caches are cold; seconds per call over `inner` more; and the output of number `keep`.

        On other devices than the CPU calls queue up in order, so one wait at the end is enough, and not a part of each call.
        """
        turns = [self.calls[(start + i) % len(self.calls)] for i in range(1, inner + 1)]
        middle = inner if keep is None else keep + 1
        until, after = turns[:middle], turns[middle:]
        cold, _ = self.timed(start)
        begin = self.clock()
        kept = self._run(until)
        last = self._run(after, kept)
        self.framework.wait(last)
        return cold, (self.clock() - begin) / 1e9 / inner, kept

    def _run(self, turns: Sequence[tuple[list[object], dict[str, object]]], out: object = None) -> object:
        """The last output; the bare calls alone, because the clock runs."""
        function, wait, each = self.function, self.framework.wait, self.description.device == "cpu"
        for arrays, options in turns:
            out = function(*arrays, **options)
            if each:
                wait(out)
        return out


def is_steady(series: Sequence[float]) -> bool:
    """Whether the last five calls took as long as the five before them."""
    if len(series) < 2 * WINDOW or sum(series) < LEAST_SECONDS:
        return False
    before, last = median(series[-2 * WINDOW : -WINDOW]), median(series[-WINDOW:])
    return abs(last - before) <= STEADY * before

"""The worker process: loads one implementation, then answers calls until its pipe closes.

All failures of foreign code happen here. It learns nothing of cases, properties or the oracle.
"""

from __future__ import annotations

import contextlib
import pickle
import re
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from threading import Barrier
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from attention_harness import frameworks
from attention_harness.errors import Outcome
from attention_harness.process import sandbox
from attention_harness.process.arena import mapped
from attention_harness.process.framing import Channel, Frame
from attention_harness.process.guards import allocator, guarded_arrays
from attention_harness.process.limits import PROGRAMS, resident
from attention_harness.process.messages import Answer, Failure, Kind, Request
from attention_harness.process.own_modules import AsksTheJudge, OwnModules, of_the_judge, rooms_for
from attention_harness.process.packing import Packed, unpacked
from attention_harness.process.relatives import adopt_orphans, die_with_parent
from attention_harness.registry.call_form import CallForm, in_contract_form
from attention_harness.registry.declarations import OPERATOR_CHECK, PROGRAM, OperatorReport
from attention_harness.registry.loading import LoadError, load
from attention_specs.contract import Description

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

ABOUT_ARRAYS = re.compile(r"ndarray|torch|jax|\bTensors?\b|\bArrayImpl\b", re.IGNORECASE)
"""Words of exceptions about the type of an array."""

MEETINGS = 3
"""Calls that each of two threads makes."""


class Server:
    """Holds the loaded function and answers requests."""

    def __init__(self, function: Callable[..., object], description: Description, shared: np.ndarray | None = None) -> None:
        self.function, self.description, self.shared = function, description, shared
        self.framework = frameworks.load(description.framework)
        self.form = CallForm(description)

    def answer(self, request: Request) -> Answer | Failure:
        """Calls the function once, beside another call if one is given."""
        if request.beside is None:
            return self._alone(request)
        from concurrent.futures import wait  # with logging, 4 ms

        together = Barrier(2)
        answers = [threads().submit(self._after, together, asked) for asked in (request, request.beside)]
        wait(answers)
        return answers[0].result()

    def spare_memory(self) -> None:
        """Forgets compiled programs once they take much memory: a check compiles hundreds, and calls few of them again."""
        if self.description.compiles and resident() > PROGRAMS:
            self.framework.forget_programs()

    def _after(self, start: Barrier, request: Request) -> Answer | Failure:
        """The last of several answers, so that the calls of two threads overlap, however long one of them takes."""
        start.wait()
        for _ in range(MEETINGS - 1):
            self._alone(request)
        return self._alone(request)

    def _alone(self, request: Request) -> Answer | Failure:
        """Calls the function once; its exceptions become failures."""
        sent = {**request.arrays, **request.options, "dout": request.dout}
        bytes_sent = {name: packed for name, packed in sent.items() if isinstance(packed, Packed)}
        memory = {n: unpacked(packed, self.shared, allocator(request.guard, n)) for n, packed in bytes_sent.items()}
        arrays = {name: array for name, (array, _) in memory.items()}
        given, options = (
            {name: arrays[name] for name in request.arrays},
            {n: arrays.get(n, o) for n, o in request.options.items()},
        )
        try:
            if request.operator:
                return self._report(given, options)
            with guarded_arrays(request.guard):
                if request.dout is None:
                    answer = self._call(given, options, request)
                else:
                    answer = self._differentiate(given, options, request.wrt, arrays["dout"])
        except Exception as error:
            return _failure(error, self._advice(error))
        changed = tuple(name for name, (_, buffer) in memory.items() if _differs(buffer, bytes_sent[name]))
        return replace(answer, changed=changed) if changed else answer

    def _report(self, given: dict[str, np.ndarray], options: dict[str, object]) -> Answer | Failure:
        """What the framework's own check says of the operator, in a call of its form; of a module what a program needs to call it."""
        if hasattr(self.function, PROGRAM):
            native = {name: self._native(value) for name, value in (given | options).items()}
            parts = getattr(self.function, PROGRAM)(*map(native.get, given), **{name: native[name] for name in options})
            return Answer(np.zeros(0), parts, (), (), 0.0)
        check = in_contract_form(getattr(self.function, OPERATOR_CHECK), self.description)
        own = self.form.together({n: self.form.given(n, a) for n, a in (given | self.form.completed(given, options)).items()})
        native, order = {name: self._native(value) for name, value in own.items()}, self.form.by_position(given)
        try:
            check(*(native[name] for name in order), **{name: native[name] for name in native if name not in order})
        except OperatorReport as report:
            nothing = np.zeros(0)
            return Failure(Outcome.VIOLATES, str(report)) if str(report) else Answer(nothing, {}, (), (), 0.0)
        raise TypeError("check of the operator=an answer, but should be a report")

    def _advice(self, error: Exception) -> str:
        """The declaration that may be missing, where a function without one fails over the type of its arrays."""
        if self.description.framework != "numpy" or "framework" in self.description.declared:
            return ""
        if not isinstance(error, TypeError | AttributeError) or not ABOUT_ARRAYS.search(str(error)):
            return ""
        return '; it gets arrays of NumPy, for others declare attention.framework = "torch" or "jax"'

    def _call(self, given: dict[str, np.ndarray], options: dict[str, object], request: Request) -> Answer:
        asked: dict[str, object] = given | self.form.completed(given, options)
        own = self.form.together({name: self.form.given(name, value) for name, value in asked.items()})
        native = {name: self._native(value) for name, value in own.items()}
        by_position = self.form.by_position(given)
        keywords = {name: native[name] for name in native if name not in by_position} | {
            f"return_{name}": True for name in request.wanted
        }
        start = perf_counter()
        result = self.function(*(native[name] for name in by_position), **keywords)
        self.framework.wait(result)
        seconds = perf_counter() - start
        results = _results(result, request.wanted)
        out, *extra = (self._numpy(r) for r in results)
        arrays = {name: array for name, array in own.items() if isinstance(array, np.ndarray) and array.size and out.size}
        changed = self._changed(asked, own, native)
        aliased = tuple(name for name, array in arrays.items() if np.may_share_memory(out, array))
        named = {name: np.array(self.form.back(name, array)) for name, array in zip(request.wanted, extra, strict=True)}
        named |= {name: np.array(self._numpy(native[name])) for name in request.after}
        return Answer(np.array(self.form.back("out", out)), named, changed, aliased, seconds)

    def _changed(self, asked: dict[str, object], own: dict[str, object], native: dict[str, object]) -> tuple[str, ...]:
        """Arguments that were written to where their memory is not that of the arrays: on another device, or in another form."""
        on_cpu = self.description.device == "cpu"
        if on_cpu and not self.form.copies:
            return ()
        sent = {name: array for name, array in asked.items() if isinstance(array, np.ndarray)}
        after = self.form.apart({name: self._numpy(native[name]) for name in own if isinstance(own[name], np.ndarray)})
        apart = [name for name, array in sent.items() if not (on_cpu and np.may_share_memory(array, np.asarray(own.get(name))))]
        return tuple(name for name in apart if self.form.back(name, after[name]).tobytes() != sent[name].tobytes())

    def _differentiate(
        self, given: dict[str, np.ndarray], options: dict[str, object], wrt: tuple[str, ...], dout: np.ndarray
    ) -> Answer:
        """Calls the function once with gradients recorded, and asks for those of `wrt`."""
        asked = given | self.form.completed(given, options)
        own = self.form.together({name: self.form.given(name, value) for name, value in asked.items()})
        native, order, verbs = {n: self._native(value) for n, value in own.items()}, self.form.by_position(given), self.framework
        positional, keywords = {name: native[name] for name in order}, {n: native[n] for n in native if n not in order}
        native_dout = self._native(self.form.given("dout", dout))
        start = perf_counter()
        out, gradients = frameworks.gradient(verbs, self.function, positional, keywords, self.form.inside(wrt), native_dout)
        verbs.wait(out)
        arrays = self.form.apart({name: self._numpy(array) for name, array in gradients.items()})
        results = {name: np.array(self.form.back(name, arrays[name])) for name in wrt}
        seconds = perf_counter() - start
        return Answer(np.array(self.form.back("out", self._numpy(out))), results, (), (), seconds)

    def _native(self, value: object) -> object:
        return self.framework.from_numpy(value, self.description.device) if isinstance(value, np.ndarray) else value

    def _numpy(self, value: object) -> np.ndarray:
        return self.framework.to_numpy(value)


@cache
def threads() -> ThreadPoolExecutor:
    """The two threads that make calls at once."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(2)


def _differs(buffer: np.ndarray, sent: Packed) -> bool:
    """Whether the bytes were changed; of shared memory the parent sees that itself."""
    return sent.place is None and buffer.tobytes() != sent.data


ALWAYS = ': if it always is a tuple, declare attention.returns = ("out", "lse")'


def _results(result: object, wanted: tuple[str, ...]) -> tuple[object, ...]:
    if not wanted:
        if isinstance(result, tuple):
            raise TypeError(f"output=a tuple of {len(result)}, but should be one array where nothing more is asked for{ALWAYS}")
        return (result,)
    if not isinstance(result, tuple) or len(result) != 1 + len(wanted):
        kind = f"a tuple of {len(result)}" if isinstance(result, tuple) else type(result).__name__
        raise TypeError(f"output={kind}, but should be (out, {', '.join(wanted)})")
    return result


def _failure(error: Exception, advice: str = "") -> Failure:
    lines = "".join(traceback.format_exception(error))
    if isinstance(error, AsksTheJudge):
        return Failure(Outcome.VIOLATES, str(error), lines)
    if isinstance(error, PermissionError) and of_the_judge(error.filename):
        return Failure(Outcome.VIOLATES, f"it reads {error.filename}: an implementation has to compute its answer itself", lines)
    if isinstance(error, NotImplementedError):
        return Failure(Outcome.UNSUPPORTED, str(error) or "not implemented", lines)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return Failure(Outcome.OUT_OF_MEMORY, f"{type(error).__name__}: {error}", lines)
    outcome, text = unexpected(error)
    return Failure(outcome, text + advice, lines)


def unexpected(error: Exception) -> tuple[Kind, str]:
    """The outcome of an unexpected exception, and one line about it."""
    text = (str(error).splitlines() or [""])[0]
    advice = f"; {sandbox.ADVICE}" if isinstance(error, PermissionError) else ""
    return Outcome.CRASHED if frameworks.lost_its_device(error) else Outcome.ERRORED, f"{type(error).__name__}: {text}{advice}"


def serve(channel: Channel, own: OwnModules, name: str, location: str, declared: str = "", inputs: str = "") -> None:
    """Answers the first request with the description, or a Failure, and each further one with a call."""
    requests, shared = _requests(channel), mapped(inputs)
    first = next(requests).request
    loaded = _loaded(name, location, declared)
    if isinstance(loaded, Failure):
        channel.reply(first, loaded)
        return
    server, own.calling = Server(*loaded, shared), True
    channel.reply(first, server.description)
    for frame in requests:
        channel.reply(frame.request, server.answer(pickle.loads(frame.document)))
        server.spare_memory()


def describe(channel: Channel) -> None:
    """Answers each request, the arguments of `load`, with its description, or a Failure."""
    for frame in _requests(channel):
        loaded = _loaded(*pickle.loads(frame.document))
        channel.reply(frame.request, loaded if isinstance(loaded, Failure) else loaded[1])


def _loaded(name: str, location: str, declared: str) -> tuple[Callable[..., object], Description] | Failure:
    try:
        return load(name, location, declared)
    except LoadError as error:
        return Failure(Outcome.UNAVAILABLE if error.unavailable else Outcome.UNLOADABLE, str(error))


def _requests(channel: Channel) -> Iterator[Frame]:
    """Requests until the pipe closes."""
    with contextlib.suppress(EOFError):
        while True:
            yield channel.receive()


def channel_to_parent(descriptor: str) -> Channel:
    """The channel on this socket, closed to child processes; ties this process to its parent and its descendants."""
    die_with_parent()
    adopt_orphans()
    end = socket.socket(fileno=int(descriptor))
    end.set_inheritable(False)
    return Channel(end)


def bound(rooms: Sequence[str] = ()) -> OwnModules:
    """Binds this process: from now on it has no module of the judge, and the sandbox of the system. For its start alone."""
    own = OwnModules(rooms)
    sandbox.enter(own.hidden())
    return own


def refuse_to_start(channel: Channel, error: OSError) -> None:
    """Answers the first request: foreign code is not loaded where the sandbox that the system has cannot be entered."""
    message = f"sandbox={error}, but should be entered; {sandbox.SWITCH}=off checks without one"
    channel.reply(channel.receive().request, Failure(Outcome.UNAVAILABLE, message))


def main(descriptor: str, *implementation: str) -> None:
    """Serves one implementation, or descriptions of those that are asked for."""
    to_parent = channel_to_parent(descriptor)
    try:
        own_modules = bound(rooms_for(implementation[1]) if implementation else ())
    except OSError as error:
        refuse_to_start(to_parent, error)
    else:
        serve(to_parent, own_modules, *implementation) if implementation else describe(to_parent)


if __name__ == "__main__":
    main(*sys.argv[1:6])

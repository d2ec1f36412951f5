"""The implementation under test as properties see it: `attend(x)`, kept while a case lasts."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from attention_harness.conformance.call_seconds import CallSeconds
from attention_harness.conformance.known import Known
from attention_harness.errors import REFUSALS, CallFailed, Outcome
from attention_harness.generation.declared_domain import DeclaredDomain
from attention_harness.generation.form_cases import with_lengths
from attention_harness.process.guards import can_be_guarded, touched
from attention_harness.process.messages import Answer, Request
from attention_harness.process.packing import Packed, pack
from attention_specs.case import Case
from attention_specs.contract import Description
from attention_specs.formats import DTYPES
from attention_specs.forms import form_of
from attention_specs.precision import held_to, named_precision
from attention_specs.spec import Call, DifferentiableSpec, Expected, ExpectedGradient, Inputs, Spec, Unsupported, spec_of
from attention_specs.stopwatch import book, timed


@dataclass(frozen=True)
class SideEffects:
    """Names of the arrays that the call wrote to, and of those that the output shares memory with."""

    changed: tuple[str, ...]
    aliased: tuple[str, ...]


class Caller(Protocol):
    """The caller of the function: a worker process, or a stand-in for one."""

    def call(self, request: Request) -> Answer:
        """The answer to one request. Raises CallFailed."""


def shaped(name: str, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The array. Raises CallFailed for another shape, and for anything but real numbers, which no property could compare."""
    if array.shape != shape:
        raise CallFailed(Outcome.VIOLATES, f"shape of {name}={array.shape}, but should be {shape}")
    if array.dtype.kind not in "fiu" and array.dtype.name not in DTYPES:
        raise CallFailed(Outcome.VIOLATES, f"dtype of {name}={array.dtype.name}, but should be one of {', '.join(DTYPES)}")
    return array


class UnderTest:
    """Answers calls through a worker. Answers and expectations are kept until `forget`."""

    def __init__(self, worker: Caller, description: Description, spec: Spec | None = None) -> None:
        self.worker, self.description = worker, description
        self.spec, self.domain = spec or spec_of(description.spec), DeclaredDomain(description)
        self.form = form_of(description)
        self.seconds = CallSeconds(description.compiles)
        self.forget()

    def within_its_options(self, case: Case) -> Case:
        """The case without options that the signature lacks, in the declared domain; a case with given numbers stays as it is."""
        if case.arrays:
            return case
        layouts = {} if self.description.contiguous else case.layouts
        problem = self.spec.restrict(case.problem, self.description.options)
        moved = self.domain.moved(replace(case, problem=problem, layouts=layouts))
        return with_lengths(moved) if self.form.ragged else moved

    def realise(self, case: Case) -> Inputs:
        """The arrays and options of a case, meant as declared."""
        return self.spec.realise(case).as_declared(self.description)

    def forget(self) -> None:
        """Forgets everything: a new case begins."""
        self.forget_answers()
        self._known = Known()

    def forget_answers(self) -> None:
        """Forgets the answers, and keeps the expectations."""
        self._answers = Known()

    def __call__(self, x: Inputs) -> np.ndarray:
        """The output for these inputs. Raises CallFailed, here as elsewhere also for a wrong shape."""
        return self._read(x, "out", self._answer(x).out)

    def again(self, x: Inputs) -> np.ndarray:
        """The output of one more call with the same inputs. Raises CallFailed."""
        return self._read(x, "out", self._ask(self.lowered(x), ()).out)

    def beside(self, x: Inputs, other: Inputs) -> np.ndarray:
        """The output for x while another thread asks for that of `other`. Raises CallFailed."""
        request = replace(self._request(self.lowered(x)), beside=self._request(self.lowered(other)))
        return self._read(x, "out", self._call(request).out)

    def refusal(self, x: Inputs) -> str:
        """The refusal of these inputs as they are; empty if they are answered. Raises CallFailed for other failures."""
        try:
            self._call(self._request(x))
        except CallFailed as failure:
            if failure.outcome in REFUSALS:
                return str(failure)
            raise
        return ""

    def outside(self, x: Inputs) -> Iterator[tuple[str, tuple[np.ndarray, Expected] | None]]:
        """The replies to calls outside of the declared domain, each with the condition that it breaks. Raises CallFailed."""
        self.lowered(x)  # inside
        model, conventions = self.description.precision.get(x.dtype), self.description.conventions
        for condition, other in self.domain.outside(x):
            try:
                asked = self.spec.lower(other, self.description.options)
                out = self._read(other, "out", self._ask(asked, ()).out)
            except (CallFailed, Unsupported) as failure:
                if isinstance(failure, CallFailed) and failure.outcome not in REFUSALS:
                    raise
                yield condition, None
            else:
                yield condition, (out, self.spec.expect(asked, conventions, model))

    def otherwise(self, x: Inputs, kind: str) -> Iterator[tuple[str, np.ndarray]]:
        """The outputs of the same inputs handed over in other ways of this kind, but for those that are refused. Raises CallFailed."""
        asked = self.lowered(x)
        for what, call in self.form.otherwise(asked, self.spec.call(asked), kind):
            try:
                yield what, self._read(x, "out", self._call(self._sent(call)).out)
            except CallFailed as failure:
                if failure.outcome not in REFUSALS:
                    raise CallFailed(failure.outcome, f"{what}: {failure}", failure.trace) from failure

    def beyond_its_arrays(self, x: Inputs) -> str | None:
        """The array beyond which a call reads or writes, in words; "" for none, None where that cannot be seen. Raises CallFailed."""
        if not getattr(self.worker, "guards", False) or not can_be_guarded(self.description):
            return None
        request = self._request(self.lowered(x))
        self._call(request)
        return touched(request, self._call)

    def operator_complaint(self, x: Inputs) -> str:
        """The complaint of the framework's own check of an operator; "" for none. Raises CallFailed."""
        try:
            self._call(replace(self._request(self.lowered(x)), operator=True))
        except CallFailed as failure:
            if failure.outcome == Outcome.VIOLATES:
                return str(failure)
            raise
        return ""

    def module_call(self, x: Inputs) -> Mapping[str, np.ndarray]:
        """The parameters and arguments of a module in this call, as `Layer.program` has them. Raises CallFailed."""
        return self._call(replace(self._request(self.lowered(x)), operator=True)).extra

    def extra(self, x: Inputs, name: str) -> np.ndarray:
        """The returned weights or log-sum-exp. Raises CallFailed."""
        return self._read(x, name, self._answer(x, (name,)).extra[name])

    def out_beside(self, x: Inputs, name: str) -> np.ndarray:
        """The output that comes together with the returned weights or log-sum-exp. Raises CallFailed."""
        return self._read(x, "out", self._answer(x, (name,)).out)

    def together(self, x: Inputs) -> Mapping[str, np.ndarray]:
        """The results of one call for weights and log-sum-exp at once: "out", "weights" and "lse". Raises CallFailed."""
        answer = self._answer(x, ("weights", "lse"))
        return {name: self._read(x, name, array) for name, array in (answer.extra | {"out": answer.out}).items()}

    def side_effects(self, x: Inputs) -> SideEffects:
        """The side effects that the worker saw, for an answer of any shape. Raises CallFailed."""
        answer = self._answer(x)
        return SideEffects(tuple(name for name in answer.changed if name not in self.form.written), answer.aliased)

    def left_behind(self, x: Inputs) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """The arrays that a call of this form writes to: name, as the call leaves it, and as it should. Raises CallFailed."""
        if self.form.written:
            asked = self.lowered(x)
            answer = self._call(replace(self._request(asked), after=self.form.written))
            for name, wanted in self.form.left_behind(asked, self.spec.call(asked)).items():
                yield name, shaped(name, answer.extra[name], wanted.shape), wanted

    def expected(self, x: Inputs) -> Expected:
        """The right answer under the declared conventions, and the bounds of the declared precision."""
        model, conventions = self.description.precision.get(x.dtype), self.description.conventions
        return self._known.once("expected", lambda: self.spec.expect(self.lowered(x), conventions, model), x)

    def accumulator(self, x: Inputs) -> str:
        """The format in which sums are kept, as declared."""
        return named_precision(held_to(self.description.precision, x.dtype), x.dtype).sums

    def gradient(self, x: Inputs, dout: np.ndarray, wrt: Sequence[str]) -> Mapping[str, np.ndarray]:
        """The gradients of sum(dout * output) to the named arguments, and beside them the output, "out". Raises CallFailed.

        Keys and values of a cache are handed over joined with the others, so that theirs are one gradient.
        """

        def request() -> Request:
            own_dout = self.form.to_answer(x, "out", dout)
            holders = tuple(dict.fromkeys(map(self.form.holder, wrt)))
            return replace(self._request(self._joined(x)), dout=self._packed(own_dout), wrt=holders)

        answer = self._answered(tuple(wrt), request, x, dout)
        of_arrays = {name: self.form.part(x, name, answer.extra[self.form.holder(name)]) for name in wrt}
        gradients = {name: self._read(x, f"d{name}", array) for name, array in of_arrays.items()}
        return gradients | {"out": self._read(x, "out", answer.out)}

    def expected_gradient(self, x: Inputs, dout: np.ndarray) -> ExpectedGradient:
        """The right gradients under the declared conventions, and the bounds of the declared precision."""
        spec, model, conventions = self.spec, self.description.precision.get(x.dtype), self.description.conventions
        assert isinstance(spec, DifferentiableSpec)
        return self._known.once("gradient", lambda: spec.expect_gradient(self._joined(x), dout, conventions, model), x, dout)

    def _joined(self, x: Inputs) -> Inputs:
        return self.lowered(x if getattr(x, "past", None) is None else x.with_explicit_mask())

    def declared(self, name: str) -> object:
        """A declared convention."""
        return getattr(self.description.conventions, name)

    def lowered(self, x: Inputs) -> Inputs:
        """The inputs as this implementation is asked. Raises CallFailed where it lacks an option or the range for them."""
        return self._known.once("lowered", lambda: self._lowered(x), x)

    def _lowered(self, x: Inputs) -> Inputs:
        if broken := self.domain.broken(x):
            raise CallFailed(Outcome.UNSUPPORTED, f"outside of the declared domain, {broken}")
        try:
            asked = self.spec.lower(x, self.description.options)
        except Unsupported as error:
            raise CallFailed(Outcome.UNSUPPORTED, str(error)) from error
        self._require_range(asked)
        return asked

    def _require_range(self, x: Inputs) -> None:
        model = self.description.precision.get(x.dtype)
        beyond = self.spec.beyond(x, named_precision(model, x.dtype)) if model else ""
        if beyond:
            raise CallFailed(Outcome.UNSUPPORTED, f"precision={model}, but should be wider: {beyond} is out of its range")

    def _answer(self, x: Inputs, wanted: tuple[str, ...] = ()) -> Answer:
        return self._answered(wanted, lambda: self._request(self.lowered(x), wanted), x)

    def _answered(self, wanted: Hashable, request: Callable[[], Request], *objects: object) -> Answer:
        """The answer to the request about these objects, or the failure, asked for once."""

        def reply() -> Answer | CallFailed:
            try:
                return self._call(request())
            except CallFailed as failure:
                return failure

        answer = self._answers.once(wanted, reply, *objects)
        if isinstance(answer, CallFailed):
            raise answer
        return answer

    @timed("transfer")
    def _call(self, request: Request) -> Answer:
        answer = self.worker.call(request)
        book("transfer", self.seconds.add(request.kind, answer.seconds), answer.seconds)
        return answer

    def _read(self, x: Inputs, name: str, array: np.ndarray) -> np.ndarray:
        """A result as the contract has it. Raises CallFailed for a wrong shape."""
        own = shaped(name, array, self.form.shape(x, name))
        return self._answers.once(name, lambda: self.form.from_answer(x, name, own), array) if self.form.metadata else own

    def _ask(self, x: Inputs, wanted: tuple[str, ...]) -> Answer:
        return self._call(self._request(x, wanted))

    @timed("packing")
    def _request(self, x: Inputs, wanted: tuple[str, ...] = ()) -> Request:
        try:
            call = self.form.to_call(x, self.spec.call(x))
        except Unsupported as error:
            raise CallFailed(Outcome.UNSUPPORTED, str(error)) from error
        return self._sent(call, wanted)

    def _sent(self, call: Call, wanted: tuple[str, ...] = ()) -> Request:
        arrays = {name: self._packed(array) for name, array in call.arrays.items()}
        options = {name: self._packed(o) if isinstance(o, np.ndarray) else o for name, o in call.options.items()}
        return Request(arrays, options, wanted)

    def _packed(self, array: np.ndarray) -> Packed:
        """The array packed once: calls of a case share most of their arrays."""
        return self._known.once("packed", lambda: pack(array), array)

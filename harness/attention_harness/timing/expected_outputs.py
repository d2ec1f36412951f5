"""Expected outputs of timed calls. The first copy of the inputs is judged in all heads, the others in some; and where that is
more than MOST scores, in some rows of each.

The oracle takes seconds for a large problem; the heads and rows are drawn anew from the seed of each run.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from zlib import crc32

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from attention_harness.timing.measure.messages import Outputs
from attention_harness.timing.workloads import TRAINING, Workload
from attention_specs.attention import spec as spec
from attention_specs.attention.inputs import Inputs
from attention_specs.attention.problem import Problem
from attention_specs.case import Case
from attention_specs.contract import Conventions, Description
from attention_specs.judge import within
from attention_specs.properties.gradients import output_gradient

SHARE = 4
"""One key head in four, at least one, and its query heads, of every copy but the first."""

MOST = 1 << 23
"""Scores of one copy that are judged: two seconds of the oracle. Training is judged whole, since its dk and dv hang on all rows."""

MOST_FRESH = 1 << 18
"""Scores of a fresh copy that are judged, all of one head: there are several in each look at the honesty of a candidate."""


@dataclass(frozen=True, eq=False)
class Part:
    """Inputs of some query heads, or of some rows of them, with the numbers of these heads and rows."""

    inputs: Inputs
    heads: np.ndarray
    key_heads: np.ndarray
    whole: dict[str, tuple[int, ...]]
    """Shapes of the output and the gradients of all heads."""
    dout: np.ndarray | None = None
    """Gradient of the output; None where gradients are not timed."""
    rows: np.ndarray | None = None
    """Of the queries; None for all."""

    def select(self, name: str, array: np.ndarray) -> np.ndarray:
        """The part of the output or gradient of that name."""
        selected = array[:, self.key_heads if name in ("dk", "dv") else self.heads]
        return selected if self.rows is None else selected[:, :, self.rows]


class ExpectedOutputs:
    """Expected outputs of one workload, computed when first asked for and then kept."""

    def __init__(self, workload: Workload, seed: int, copies: int) -> None:
        seeds = np.random.SeedSequence([seed, crc32(workload.name.encode())]).generate_state(copies + 1)
        self.cases = [Case(workload.problem, seed=int(one)) for one in seeds[:copies]]
        self.rng, self.copies = np.random.default_rng(seeds[copies]), copies
        self.parts: dict[int, Part] = {}
        self.training = workload.direction == TRAINING
        self.expected: dict[tuple[int, str | None, str, object], dict[str, tuple[np.ndarray, np.ndarray]]] = {}

    def fresh(self) -> tuple[int, tuple[dict[str, object], ...]]:
        """As many cases again, of seeds that nobody has seen, and the number of the first; `forget_fresh` drops them."""
        self.forget_fresh()
        self.cases += [Case(self.cases[0].problem, seed=secrets.randbits(31)) for _ in range(self.copies)]
        return self.copies, tuple(case.to_json() for case in self.cases[self.copies :])

    def forget_fresh(self) -> None:
        """Drops the cases of `fresh`."""
        del self.cases[self.copies :]
        self.parts = {copy: part for copy, part in self.parts.items() if copy < self.copies}
        self.expected = {key: answers for key, answers in self.expected.items() if key[0] < self.copies}

    def prepare(self) -> None:
        """Computes now the outputs that most implementations are judged by; none where each is judged by its conventions."""
        for copy in range(self.copies):
            if not self._conventions_matter(self._part(copy).inputs):
                self._expect(Description(""), copy)

    def fault(self, description: Description, copy: int, outputs: Outputs) -> str:
        """The error in the judged part of the output on that copy; nothing if it is within the bound."""
        expected = self._expect(description, copy)
        messages = (self._wrong(name, copy, outputs[name], *expected[name]) for name in outputs)
        return next(filter(None, messages), "")

    def _wrong(self, name: str, copy: int, array: np.ndarray, wanted: np.ndarray, bound: np.ndarray) -> str:
        part, dtype = self._part(copy), self.cases[copy].problem.dtype
        shape = tuple(part.whole[name])
        if array.shape != shape:
            return f"shape of {name}={array.shape}, but should be {shape}"
        if array.dtype.name != dtype:
            return f"dtype of {name}={array.dtype.name}, but should be {dtype}"
        return within(part.select(name, array), wanted, bound, name).message

    def error(self, description: Description, outputs: Outputs) -> float:
        """The largest |out - expected| in the judged part of the first copy."""
        wanted, _ = self._expect(description, 0)["out"]
        return float(np.abs(self._part(0).select("out", outputs["out"]).astype(wanted.dtype) - wanted).max(initial=0.0))

    @cached_property
    def bytes(self) -> int:
        """Of all inputs and results, each once: the fastest attention has to move them."""
        x = self.first
        results = [x.output_shape, x.output_shape, x.q.shape, x.k.shape, x.v.shape] if self.training else [x.output_shape]
        given = sum(value.nbytes for value in vars(x).values() if isinstance(value, np.ndarray))
        return given + sum(prod(shape) for shape in results) * x.q.itemsize

    @cached_property
    def pairs(self) -> int:
        """How many (query, key) pairs are visible, over batch and query heads."""
        x = self.first.with_explicit_mask()
        seen = np.ones((1, 1, 1, 1), bool) if x.mask is None else x.mask
        seen = seen if x.bias is None else seen & (x.bias != -np.inf)
        return int(seen.sum()) * (prod(x.score_shape) // seen.size)

    @cached_property
    def first(self) -> Inputs:
        """The first copy, whole."""
        return spec.realise(self.cases[0])

    def _part(self, copy: int) -> Part:
        if copy not in self.parts:
            problem = self.cases[copy].problem
            assert isinstance(problem, Problem)
            heads = problem.key_heads
            few = 1 if copy >= self.copies else max(1, heads // SHARE)
            some = np.arange(heads) if copy == 0 else self.rng.permutation(heads)[:few]
            x = spec.realise(self.cases[copy]) if copy else self.first
            part = of_heads(x, some)
            self.parts[copy] = (
                replace(part, dout=output_gradient(x)[:, part.heads])
                if self.training
                else self._within_most(part, MOST if copy < self.copies else MOST_FRESH)
            )
        return self.parts[copy]

    def _within_most(self, part: Part, most: int) -> Part:
        """Rows that are drawn, unless all are few enough; all where causality is aligned as declared, which rows cannot be."""
        x, queries = part.inputs, part.inputs.q.shape[2]
        few = max(1, most * queries // max(prod(x.score_shape), 1))
        if few >= queries or _unevenly_causal(x):
            return part
        return of_rows(part, np.sort(self.rng.permutation(queries)[:few]))

    def _expect(self, description: Description, copy: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Output, gradients and their bounds under the conventions and the precision that are declared, as far as they matter here."""
        x = self._part(copy).inputs
        model = description.precision.get(x.dtype)
        plain = not self._conventions_matter(x)
        key = (copy, model, str(description.storage), None if plain else (description.options, str(description.conventions)))
        if key not in self.expected:
            declared = x.as_declared(description)
            asked = declared if plain else spec.lower(declared, description.options)
            with threadpool_limits(1):  # threads that wait for each other on a busy machine are slower than one
                self.expected[key] = self._answers(asked, copy, Conventions() if plain else description.conventions, model)
        return self.expected[key]

    def _answers(
        self, asked: Inputs, copy: int, conventions: Conventions, model: str | None
    ) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        expected = spec.expect(asked, conventions, model)
        answers = {"out": (expected.out, expected.bounds.out)}
        if (dout := self._part(copy).dout) is not None:
            back = spec.expect_gradient(asked, dout, conventions, model)
            answers |= {f"d{name}": (back.gradients[name], back.bounds[name]) for name in "qkv"}
        return answers

    def _conventions_matter(self, x: Inputs) -> bool:
        """Empty rows and causality between unequal lengths are the conventions that change an output."""
        return _unevenly_causal(x) or not bool(x.visible().any(-1).all())


def of_heads(x: Inputs, key_heads: np.ndarray) -> Part:
    """The same question about these key heads and the query heads that read them."""
    heads = (key_heads[:, None] * x.group + np.arange(x.group)).ravel()
    arrays = {"q": x.q[:, heads], "k": x.k[:, key_heads], "v": x.v[:, key_heads]}
    masking = {name: _of(array, heads) for name, array in (("mask", x.mask), ("bias", x.bias))}
    whole = {"out": x.output_shape, "dq": x.q.shape, "dk": x.k.shape, "dv": x.v.shape}
    some = x.replace(**arrays, **masking, sinks=None if x.sinks is None else x.sinks[heads])
    return Part(some, heads, key_heads, whole)


def of_rows(part: Part, rows: np.ndarray) -> Part:
    """The same question about these queries alone, with causality, window and lengths written out as a mask."""
    x = part.inputs.with_explicit_mask()
    fewer = {name: a[:, :, rows] for name, a in (("mask", x.mask), ("bias", x.bias)) if a is not None and a.shape[2] > 1}
    return replace(part, inputs=x.replace(q=x.q[:, :, rows], **fewer), rows=rows)


def _unevenly_causal(x: Inputs) -> bool:
    uneven = x.q.shape[2] != x.k.shape[2] or x.query_lengths is not None or x.key_lengths is not None
    return bool(x.is_causal or x.window) and uneven


def _of(array: np.ndarray | None, heads: np.ndarray) -> np.ndarray | None:
    return array if array is None or array.shape[1] == 1 else array[:, heads]

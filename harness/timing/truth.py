"""What the outputs of timed calls are judged by. The first copy of the inputs is judged whole, the others in some heads.

The oracle takes seconds for a large problem; which heads are looked at is drawn anew from the seed of each run.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from harness.workloads import Workload
from specs import attention as spec
from specs.contract import Conventions, Description
from specs.inputs import Inputs
from specs.judge import within
from specs.problem import Case

SHARE = 4
"""One key head in four, at least one, and its query heads, of every copy but the first."""


@dataclass(frozen=True, eq=False)
class Part:
    """Inputs of some query heads, and which these are."""

    inputs: Inputs
    heads: np.ndarray


class Truths:
    """Expected outputs of one workload, computed when first asked for and then kept."""

    def __init__(self, workload: Workload, seed: int, copies: int) -> None:
        seeds = np.random.SeedSequence([seed, crc32(workload.name.encode())]).generate_state(copies + 1)
        self.cases = [Case(workload.problem, seed=int(one)) for one in seeds[:copies]]
        self.rng = np.random.default_rng(seeds[copies])
        self.parts: dict[int, Part] = {}
        self.expected: dict[object, tuple[np.ndarray, np.ndarray]] = {}

    def prepare(self) -> None:
        """Computes now what most implementations are judged by."""
        for copy in range(len(self.cases)):
            self._expect(Description(""), copy)

    def fault(self, description: Description, copy: int, out: np.ndarray) -> str:
        """What is wrong with the output on that copy, as far as it is looked at; nothing if it is within the bound."""
        problem, part = self.cases[copy].problem, self._part(copy)
        shape = (problem.batch, problem.query_heads, problem.query_length, problem.value_dim)
        if out.shape != shape:
            return f"shape of out={out.shape}, but should be {shape}"
        if out.dtype.name != problem.dtype:
            return f"dtype of out={out.dtype.name}, but should be {problem.dtype}"
        return within(out[:, part.heads], *self._expect(description, copy)).message

    def error(self, description: Description, out: np.ndarray) -> float:
        """The largest |out - truth| on the first copy, which is looked at as a whole."""
        wanted, _ = self._expect(description, 0)
        return float(np.abs(out[:, self._part(0).heads].astype(wanted.dtype) - wanted).max(initial=0.0))

    @property
    def bytes(self) -> int:
        """Of all inputs and of the output, each once: what the fastest attention has to move."""
        x = self._part(0).inputs
        arrays = [value for value in vars(x).values() if isinstance(value, np.ndarray)]
        return sum(array.nbytes for array in arrays) + int(np.prod(x.output_shape)) * x.q.itemsize

    @property
    def pairs(self) -> int:
        """How many (query, key) pairs are visible, over batch and query heads."""
        return int(self._part(0).inputs.visible().sum())

    def _part(self, copy: int) -> Part:
        if copy not in self.parts:
            heads = self.cases[copy].problem.key_heads
            some = np.arange(heads) if copy == 0 else self.rng.permutation(heads)[: max(1, heads // SHARE)]
            self.parts[copy] = of_heads(spec.realise(self.cases[copy]), some)
        return self.parts[copy]

    def _expect(self, description: Description, copy: int) -> tuple[np.ndarray, np.ndarray]:
        """Output and bound under the conventions and the precision that are declared, as far as they matter here."""
        x = self._part(copy).inputs
        model = description.precision.get(x.dtype)
        plain = not self._conventions_matter(x)
        key = (copy, model, None if plain else (description.options, str(description.conventions)))
        if key not in self.expected:
            asked = x if plain else spec.lower(x, description.options)
            with threadpool_limits(1):  # threads that wait for each other on a busy machine are slower than one
                found = spec.expect(asked, Conventions() if plain else description.conventions, model)
            self.expected[key] = found.out, found.bounds.out
        return self.expected[key]

    def _conventions_matter(self, x: Inputs) -> bool:
        """Empty rows and causality between unequal lengths are the conventions that change an output."""
        return (x.is_causal and x.q.shape[2] != x.k.shape[2]) or not bool(x.visible().any(-1).all())


def of_heads(x: Inputs, key_heads: np.ndarray) -> Part:
    """The same question about these key heads and the query heads that read them."""
    heads = (key_heads[:, None] * x.group + np.arange(x.group)).ravel()
    arrays = {"q": x.q[:, heads], "k": x.k[:, key_heads], "v": x.v[:, key_heads]}
    masking = {name: _of(array, heads) for name, array in (("mask", x.mask), ("bias", x.bias))}
    return Part(x.replace(**arrays, **masking, sinks=None if x.sinks is None else x.sinks[heads]), heads)


def _of(array: np.ndarray | None, heads: np.ndarray) -> np.ndarray | None:
    return array if array is None or array.shape[1] == 1 else array[:, heads]

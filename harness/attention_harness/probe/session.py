"""The implementation under experiment: problems for it, its answers, and which reading of a call an answer fits.

Its declaration is ignored. The results of experiments are not: once its masks are known to hide, all later calls have masks that
hide, so that one deviation does not spoil all that follows. All calls lie in its domain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar, Unpack, overload

import numpy as np

from attention_harness.conformance.under_test import UnderTest
from attention_harness.errors import REFUSALS, CallFailed
from attention_harness.probe.domain import Domain
from attention_harness.probe.terms import CallInputs, Options, Terms
from attention_specs.attention import spec as attention
from attention_specs.attention.inputs import Inputs
from attention_specs.attention.problem import Problem
from attention_specs.case import Case, Question
from attention_specs.contract import Conventions
from attention_specs.judge import within
from attention_specs.multi_head import spec as multi_head
from attention_specs.multi_head.inputs import LayerInputs
from attention_specs.multi_head.problem import LayerProblem

WIDEST = {"float32": "tf32-inputs", "float64": "computed-in-float32"}
"""The model with the widest bounds that a right implementation may have; of 16 bits it is scores-rounded."""

DEFAULT_POWER = 0.5

ALIGNMENTS = ("causal_alignment", "window_alignment")

X = TypeVar("X", bound=CallInputs)

NOTHING = "something else"
"""The value of an answer that fits no reading."""


class UnaskableQuestion(Exception):
    """The question cannot be asked, or its answer would decide nothing; the text says why."""


class ProbeSession:
    """Asks one implementation; `dtype` is the one to ask in where it does not matter."""

    def __init__(self, under_test: UnderTest, seed: int) -> None:
        undeclared = replace(under_test.description, precision={})  # a declaration exempts from no question
        self.under_test = UnderTest(under_test.worker, undeclared, under_test.spec)
        self.seed, self.precision = seed, under_test.description.precision
        self.layer = under_test.description.spec != "attention"
        self.dtypes: tuple[str, ...] = ()
        self.domains: dict[str, Domain] = {}
        """Dtype -> the conditions under which a plain call is answered."""
        self.power = DEFAULT_POWER
        """Where no scale is given, scores are divided by so high a power of D."""
        self.always: Options = {}
        """Options of each call."""
        self.known: dict[str, str] = {}
        """Conventions from earlier experiments; all later calls follow them."""
        self.off: set[str] = set()
        """Options with another meaning than in the specification."""
        self.edges = (3, 1)
        """The meaning of window=(3, 1)."""
        self.inverted = self.swapped = self.varies = self.lost = False
        """Whether masks hide where True, axes are those of the other layout, answers vary, and plain calls fit no reading."""

    @property
    def dtype(self) -> str:
        """float32 where it is taken."""
        return "float32" if "float32" in self.dtypes or not self.dtypes else self.dtypes[0]

    def takes(self, *options: str) -> bool:
        """Whether the signature names all these options."""
        return all(option in self.under_test.description.options for option in options)

    def asks(self, *options: str) -> bool:
        """Whether it takes all these options, with the meaning of the specification."""
        return self.takes(*options) and not self.off & set(options)

    def x(self, **terms: Unpack[Terms]) -> Inputs:
        """The arrays of a problem of attention, for experiments that suit no layer."""
        x = self.inputs(**terms)
        assert isinstance(x, Inputs)
        return x

    def inputs(
        self, *, batch: int = 2, heads: int = 2, queries: int = 6, keys: int = 6, dim: int = 16,
        key_heads: int | None = None, value_dim: int | None = None, dtype: str = "",
        recipe: str = "normal", number: int = 0, layouts: Mapping[str, str] = {}, **options: Unpack[Options],
    ) -> CallInputs:  # fmt: skip
        """The arrays of a problem of either spec, moved into the domain; a layer gets one array three times if it can."""
        dtype = dtype or self.dtype
        if self.layer:
            problem: Question = LayerProblem(batch, heads, queries, keys, heads * dim, dtype, self_attention=queries == keys)
        else:
            key_heads, value_dim = heads if key_heads is None else key_heads, dim if value_dim is None else value_dim
            problem = Problem(batch, heads, key_heads, queries, keys, dim, value_dim, dtype)
        moved = self.domains.get(dtype, Domain()).moved(problem)
        case = self.under_test.domain.moved(Case(moved, recipe, 1000 * self.seed + number, dict(layouts)))
        given = {name: value(case.problem) if callable(value) else value for name, value in (self.always | options).items()}
        realise: Callable[[Case], CallInputs] = multi_head.realise if self.layer else attention.realise
        declared = replace(self.under_test.description, conventions=Conventions.declared(self.known))
        return realise(case.with_problem(**given)).as_declared(declared)

    def __call__(self, x: CallInputs) -> np.ndarray:
        """The output. Raises CallFailed."""
        return self.from_output(self.under_test(self.to_call(x)))

    def to_call(self, x: CallInputs) -> CallInputs:
        """The call in the terms of the implementation, as far as they are known."""
        x = self._lowered(x)
        if self.inverted and x.mask is not None:
            x = x.replace(mask=~x.mask)
        if isinstance(x, Inputs) and self.swapped:
            return x.replace(q=x.q.swapaxes(1, 2), k=x.k.swapaxes(1, 2), v=x.v.swapaxes(1, 2))
        return x

    def _lowered(self, x: CallInputs) -> CallInputs:
        lowered = self.under_test.lowered(x)
        assert isinstance(lowered, CallInputs)
        return lowered

    def from_output(self, out: np.ndarray) -> np.ndarray:
        """An output in the terms of the specification."""
        return out.swapaxes(1, 2) if self.swapped else out

    def answers(self, xs: Iterable[X]) -> Iterator[tuple[X, np.ndarray]]:
        """The answered calls with their outputs. Raises CallFailed, also where all are refused."""
        refused, answered = None, False
        for x in xs:
            try:
                out = self(x)
            except CallFailed as failure:
                if failure.outcome not in REFUSALS:
                    raise
                refused = failure
                continue
            answered = True
            yield x, out
        if refused and not answered:
            raise refused

    @overload
    def expected(self, x: Inputs, model: str = "", **conventions: object) -> attention.Expected: ...
    @overload
    def expected(self, x: LayerInputs, model: str = "", **conventions: object) -> multi_head.Expected: ...
    def expected(self, x: CallInputs, model: str = "", **conventions: object) -> attention.Expected | multi_head.Expected:
        """The right answer and its bounds; in the widest model unless one is named."""
        model = model or WIDEST.get(x.dtype, "scores-rounded")
        if isinstance(x, LayerInputs):
            return multi_head.expect(x, Conventions.declared(conventions), model)
        known = {name: getattr(x, name) for name in ALIGNMENTS}
        return attention.expect(self.with_its_scale(x), Conventions.declared(known | conventions), model)

    def with_its_scale(self, x: Inputs) -> Inputs:
        """The call with the default scale of the implementation written out, where that is another one."""
        if x.scale is None and self.power != DEFAULT_POWER:
            return x.replace(scale=float(x.q.shape[3] ** -self.power))
        return x

    def ratio(self, out: np.ndarray, reading: CallInputs) -> float:
        """Largest error in units of the bound, over rows that see a key, if the call meant this."""
        expected = self.expected(reading)
        return within(out, expected.out.astype(np.float64), expected.bounds.out, rows=~expected.exact.empty).ratio

    def require_plain(self) -> None:
        """Raises UnaskableQuestion where plain calls fit no reading, so that others cannot be compared with them."""
        if self.lost:
            raise UnaskableQuestion("a plain call fits no reading, and others would be compared with it")

    def fitting(self, x: CallInputs, readings: Mapping[str, CallInputs]) -> str:
        """The reading that the answer to x fits, or NOTHING. Raises CallFailed, and UnaskableQuestion where several fit."""
        self.require_plain()
        out = self(x)
        fits = [name for name, reading in readings.items() if self.ratio(out, reading) <= 1]
        if len(fits) > 1:
            raise UnaskableQuestion(f"the answer fits several readings: {', '.join(fits)}")
        return fits[0] if fits else NOTHING


def quantity(number: int, thing: str, things: str = "") -> str:
    """`1 query`, `2 queries`."""
    return f"{number} {thing if number == 1 else things or f'{thing}s'}"


def by_value(texts: Mapping[str, str]) -> dict[str, str]:
    """Names, joined -> the text of all of them."""
    return {", ".join(name for name, same in texts.items() if same == value): value for value in texts.values()}

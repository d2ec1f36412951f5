"""The implementation under experiment: problems for it, its answers, and which reading of a call an answer fits.

What it declares is not looked at. What experiments find out is: once its masks are known to hide, it is asked with masks that
hide, so that one deviation does not spoil all that follows. All calls are made inside what it answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from attention_harness.conformance.under_test import UnderTest
from attention_harness.errors import REFUSALS, CallFailed
from attention_harness.probe.domain import Domain
from attention_specs.case import Case
from attention_specs.contract import Conventions
from attention_specs.judge import within

WIDEST = {"float32": "tf32-inputs", "float64": "computed-in-float32"}
"""The model with the widest bounds that a sound implementation may have; of 16 bits it is scores-rounded."""

DEFAULT_POWER = 0.5

ALIGNMENTS = ("causal_alignment", "window_alignment")

NOTHING = "something else"
"""What is found where an answer fits no reading."""


class NotAsked(Exception):
    """The question cannot be asked, or not so that the answer tells; the text says why."""


class Lab:
    """Asks one implementation; `dtype` is the one to ask in where it does not matter."""

    def __init__(self, subject: UnderTest, seed: int) -> None:
        undeclared = replace(subject.description, precision={})  # nothing is left unasked for what is declared
        self.subject = UnderTest(subject.worker, undeclared, subject.spec)
        self.spec, self.seed, self.precision = subject.spec, seed, subject.description.precision
        self.layer = subject.description.spec != "attention"
        self.dtypes: tuple[str, ...] = ()
        self.domains: dict[str, Domain] = {}
        """Dtype -> the conditions under which a plain call is answered."""
        self.power = DEFAULT_POWER
        """Where no scale is given, scores are divided by so high a power of D."""
        self.always: dict[str, Any] = {}
        """Options of each call."""
        self.known: dict[str, Any] = {}
        """Conventions that were found out, and that all later calls are meant by."""
        self.off: set[str] = set()
        """Options that mean something else than the specification says."""
        self.edges = (3, 1)
        """What window=(3, 1) means."""
        self.inverted = self.swapped = self.varies = self.lost = False
        """Whether masks hide where True, axes are those of the other layout, answers vary, and plain calls fit nothing."""

    @property
    def dtype(self) -> str:
        """float32 where it is taken."""
        return "float32" if "float32" in self.dtypes or not self.dtypes else self.dtypes[0]

    def takes(self, *options: str) -> bool:
        """Whether the signature names all these options."""
        return all(option in self.subject.description.options for option in options)

    def asks(self, *options: str) -> bool:
        """Whether it takes all these options, and they mean what the specification says."""
        return self.takes(*options) and not self.off & set(options)

    def x(
        self, *, batch: int = 2, heads: int = 2, queries: int = 6, keys: int = 6, dim: int = 16, dtype: str = "",
        recipe: str = "normal", number: int = 0, layouts: Mapping[str, str] = {}, **options: Any,
    ) -> Any:  # fmt: skip
        """The arrays of a problem of either spec, moved to where it is answered; a layer gets one array three times if it can.

        Options may be functions of the moved problem.
        """
        dtype = dtype or self.dtype
        if self.layer:
            problem = self.spec.Problem(batch, heads, queries, keys, heads * dim, dtype, self_attention=queries == keys)
        else:
            key_heads, value_dim = options.pop("key_heads", heads), options.pop("value_dim", dim)
            problem = self.spec.Problem(batch, heads, key_heads, queries, keys, dim, value_dim, dtype)
        case = Case(self.domains.get(dtype, Domain()).moved(problem), recipe, 1000 * self.seed + number, dict(layouts))
        given = {name: value(case.problem) if callable(value) else value for name, value in (self.always | options).items()}
        return self.spec.realise(case.with_problem(**given)).under(Conventions(**self.known))

    def __call__(self, x: Any) -> np.ndarray:
        """The output. Raises CallFailed."""
        return self.back(self.subject(self.told(x)))

    def told(self, x: Any) -> Any:
        """The call in the terms of the implementation, as far as they are known."""
        x = self.subject.lowered(x)
        if self.inverted and x.mask is not None:
            x = x.replace(mask=~x.mask)
        return x.replace(q=x.q.swapaxes(1, 2), k=x.k.swapaxes(1, 2), v=x.v.swapaxes(1, 2)) if self.swapped else x

    def back(self, out: np.ndarray) -> np.ndarray:
        """An output in the terms of the specification."""
        return out.swapaxes(1, 2) if self.swapped else out

    def answers(self, xs: Iterable[Any]) -> Iterator[tuple[Any, np.ndarray]]:
        """Those calls that are not refused, with their outputs. Raises CallFailed, the refusal where all are refused."""
        refused, answered = None, False
        for x in xs:
            try:
                out = self(x)
            except CallFailed as trouble:
                if trouble.outcome not in REFUSALS:
                    raise
                refused = trouble
                continue
            answered = True
            yield x, out
        if refused and not answered:
            raise refused

    def expected(self, x: Any, model: str = "", **conventions: Any) -> Any:
        """The right answer and its bounds; in the widest model unless one is named."""
        if not self.layer and x.scale is None and self.power != DEFAULT_POWER:
            x = x.replace(scale=float(x.q.shape[3] ** -self.power))
        known = {} if self.layer else {name: getattr(x, name) for name in ALIGNMENTS}
        meant = Conventions(**known | conventions)
        return self.spec.expect(x, meant, model or WIDEST.get(x.dtype, "scores-rounded"))

    def ratio(self, out: np.ndarray, reading: Any, **conventions: Any) -> float:
        """Largest error in units of the bound, over rows that see a key, if the call meant this."""
        expected = self.expected(reading, **conventions)
        return within(out, expected.out.astype(np.float64), expected.bounds.out, rows=~expected.exact.empty).ratio

    def require_plain(self) -> None:
        """Raises NotAsked if all readings would be compared with plain calls that fit none."""
        if self.lost:
            raise NotAsked("a plain call fits no reading, and others would be compared with it")

    def fitting(self, x: Any, readings: Mapping[str, Any]) -> str:
        """Which of the readings the answer to x fits, or NOTHING. Raises CallFailed, and NotAsked where it cannot tell."""
        self.require_plain()
        out = self(x)
        fits = [name for name, reading in readings.items() if self.ratio(out, reading) <= 1]
        if len(fits) > 1:
            raise NotAsked(f"what is answered does not tell apart: {', '.join(fits)}")
        return fits[0] if fits else NOTHING


def counted(number: int, thing: str, things: str = "") -> str:
    """`1 query`, `2 queries`."""
    return f"{number} {thing if number == 1 else things or f'{thing}s'}"


def by_value(told: Mapping[str, str]) -> dict[str, str]:
    """Names, joined -> what is told of all of them."""
    return {", ".join(name for name, same in told.items() if same == value): value for value in told.values()}

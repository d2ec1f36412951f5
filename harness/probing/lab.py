"""The implementation under experiment: problems for it, its answers, and which reading of a call an answer fits.

What it declares is not looked at. What experiments find out is: once its masks are known to hide, it is asked with masks that
hide, so that one deviation does not spoil all that follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from harness.isolation import REFUSALS, Trouble
from harness.subject import Subject
from specs.contract import Conventions
from specs.judge import within
from specs.masks import Mask
from specs.problem import Case

WIDEST = {"float32": "tf32-inputs", "float64": "computed-in-float32"}
"""The model with the widest bounds that a sound implementation may have; of 16 bits it is scores-rounded."""


class Lab:
    """Asks one implementation; `dtype` is the one to ask in where it does not matter."""

    def __init__(self, subject: Subject, seed: int) -> None:
        undeclared = replace(subject.description, precision={})  # nothing is left unasked for what is declared
        self.subject = Subject(subject.worker, undeclared, subject.spec)
        self.spec, self.seed, self.precision = subject.spec, seed, subject.description.precision
        self.layer = subject.description.spec != "attention"
        self.dtypes: tuple[str, ...] = ()
        self.scale: float | None = None
        """What it multiplies scores by where no scale is given; None: as the specification says."""
        self.inverted = self.swapped = self.bottom_right = self.varies = False
        """Whether masks hide where True, axes are those of the other layout, causality is bottom-right, and answers vary."""

    @property
    def dtype(self) -> str:
        """float32 where it is taken."""
        return "float32" if "float32" in self.dtypes or not self.dtypes else self.dtypes[0]

    def takes(self, *options: str) -> bool:
        """Whether the signature names all these options."""
        return all(option in self.subject.description.options for option in options)

    def x(
        self, *, batch: int = 2, heads: int = 2, queries: int = 6, keys: int = 6, dim: int = 16, dtype: str = "",
        recipe: str = "normal", mask: Mask | None = None, number: int = 0, layouts: Mapping[str, str] = {}, **options: Any,
    ) -> Any:  # fmt: skip
        """The arrays of a problem of either spec; a layer gets one array three times where the lengths allow it."""
        named: dict[str, Any] = {"dtype": dtype or self.dtype, "mask": mask}
        if self.layer:
            problem = self.spec.Problem(batch, heads, queries, keys, heads * dim, self_attention=queries == keys, **named)
        else:
            sizes = (batch, heads, options.pop("key_heads", heads), queries, keys, dim, options.pop("value_dim", dim))
            problem = self.spec.Problem(*sizes, **named, **options)
        return self.spec.realise(Case(problem, recipe, 1000 * self.seed + number, dict(layouts)))

    def __call__(self, x: Any) -> np.ndarray:
        """The output. Raises Trouble."""
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
        """Those calls that are not refused, with their outputs. Raises Trouble, the refusal where all are refused."""
        refused, answered = None, False
        for x in xs:
            try:
                out = self(x)
            except Trouble as trouble:
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
        if not self.layer and x.scale is None:
            x = x.replace(scale=self.scale)
        return self.spec.expect(x, Conventions(**conventions), model or WIDEST.get(x.dtype, "scores-rounded"))

    def ratio(self, out: np.ndarray, reading: Any) -> float:
        """Largest error in units of the bound, over rows that see a key, if the call meant this."""
        expected = self.expected(reading)
        return within(out, expected.out.astype(np.float64), expected.bounds.out, rows=~expected.exact.empty).ratio

    def fitting(self, x: Any, readings: Mapping[str, Any]) -> str | None:
        """Which of the readings the answer to x fits, the best one; None if it fits none. Raises Trouble."""
        out = self(x)
        ratios = {name: self.ratio(out, reading) for name, reading in readings.items()}
        best = min(ratios, key=lambda name: ratios[name])
        return best if ratios[best] <= 1 else None

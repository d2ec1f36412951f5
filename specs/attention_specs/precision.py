"""The formats in which an implementation rounds, as declared: its precision, and the cost of one rounding.

`precision.md` derives the bounds that follow from it; `attention.bounds`, `attention.gradient_bounds` and
`multi_head.bounds` work them out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import ceil, log1p, sqrt
from typing import Any

import numpy as np

from attention_specs.formats import FORMATS, STORED, accumulator, is_narrow, smallest_normal, smallest_subnormal, unit_roundoff

SCALED = "-scaled"
"""Ends the name of a format whose weights are stored times 2^8, so that the largest of a row has the power 256 (FlashAttention 3)."""
WEIGHT_SCALE = 2.0**8

ROUNDOFF = {name: unit_roundoff(name) for name in FORMATS} | {"tf32": 2.0**-11}
ROUNDOFF |= {name + SCALED: ROUNDOFF[name] for name in STORED}
"""Unit roundoff u: rounding to nearest gives x(1 + e), |e| <= u."""
UNDERFLOW = {name: smallest_subnormal(name) if is_narrow(name) else smallest_normal(name) for name in FORMATS}
UNDERFLOW |= {"tf32": smallest_normal("float32")} | {name + SCALED: UNDERFLOW[name] / WEIGHT_SCALE for name in STORED}
"""Largest absolute error where numbers become too small: the smallest normal, since subnormals may be flushed, but not in a
format whose range is narrow."""
TRUNCATING = "-truncating"
"""Ends the name of a format whose sums are cut off instead of rounded, as matrix units do (Blanchard et al. 2020)."""
FEW_BITS = "-14-bits"
"""Ends the name of a format in which matrix units alone keep the highest 14 bits of each addend, and cut off the others, as those
for eight bits do (DeepSeek-AI 2024, section 3.3.2)."""
CUT_OFF = {"": None, TRUNCATING: None, FEW_BITS: 2.0**-14}
"""End of a name -> unit roundoff of the sums of a matrix unit, None where it is that of the format."""

DETERMINISTIC = 4096
"""Roundings that are counted one by one. Above, 64 sqrt(n) of n count (Higham and Mary 2019, lambda = 64): precision.md, 2."""
COARSE = "float16"
"""A running sum in this format, or in a coarser one, loses terms in one direction: precision.md, 9."""
NARROWEST_UNIT = 4
"""Products that the smallest matrix unit adds at once (Blanchard et al. 2020)."""
UNIT_OF_FEW_BITS = 32
"""Products that a matrix unit of 14 bits adds at once (DeepSeek-AI 2024)."""


@dataclass(frozen=True)
class Precision:
    """Formats: of operands as matrix products read them, products that are not scaled yet, scores, weights, sums, and the output.

    The output's is the dtype.
    """

    inputs: str
    products: str
    scores: str
    weights: str
    accumulation: str
    output: str

    @property
    def sums(self) -> str:
        """The format in which sums are kept, cut off or not."""
        return rounded(self.accumulation)


def rounded(name: str) -> str:
    """The format without the end that says how sums are cut off."""
    return name.removesuffix(TRUNCATING).removesuffix(FEW_BITS)


STEPS = ("inputs", "products", "scores", "weights", "accumulation")
"""The steps for which a model may have a format, beside the output."""

MODELS: dict[str, Callable[[str], dict[str, str]]] = {
    "exact": lambda dtype: {},
    "weights-rounded": lambda dtype: {"weights": dtype},
    "products-rounded": lambda dtype: {"products": dtype},
    "scores-rounded": lambda dtype: {"scores": dtype, "weights": dtype},
    "operands-rounded": lambda dtype: {"inputs": dtype},
    "weights-e4m3-scaled": lambda dtype: {"weights": "float8_e4m3fn" + SCALED},
    "weights-e4m3": lambda dtype: {"weights": "float8_e4m3fn"},
    "weights-e5m2": lambda dtype: {"weights": "float8_e5m2"},
    "tf32-inputs": lambda dtype: {"inputs": "tf32"},
    "sums-rounded": lambda dtype: {step: dtype for step in STEPS if step != "products"},
    "computed-in-float32": lambda dtype: dict.fromkeys(STEPS, "float32"),
    "truncating-sums": lambda dtype: {"accumulation": accumulator(dtype) + TRUNCATING},
    "sums-of-14-bits": lambda dtype: {"accumulation": accumulator(dtype) + FEW_BITS},
}
"""Name -> the steps that are not in the accumulator's format, for a dtype. A declaration joins several by `+`."""


@cache
def named_precision(name: str, dtype: str) -> Precision:
    """The precision of that name for a dtype: one of MODELS, or several joined by `+`. Raises ValueError for others."""
    unknown = [part for part in name.split("+") if part not in MODELS]
    if unknown:
        raise ValueError(f"precision={name}, but should be one of {', '.join(MODELS)}, or several joined by +")
    formats = dict.fromkeys(STEPS, accumulator(dtype))
    for part in name.split("+"):
        formats |= MODELS[part](dtype)
    return Precision(**formats, output=dtype)


def candidates(dtype: str, unscaled: bool = False, few_bits: bool = False) -> tuple[str, ...]:
    """Declarations that differ in a dtype, from the tightest on: an implementation's own is the first that it keeps.

    `unscaled`: those of products that are stored before they are scaled. `few_bits`: also sums of 14 bits, which only calls that
    were made for it tell from sums in the dtype.
    """
    if unscaled:
        return "products-rounded", *(f"products-rounded+{m}" for m in candidates(dtype, few_bits=few_bits) if m != "exact")
    if dtype == "float64":
        return "exact", "computed-in-float32"
    if dtype == "float32":
        return "exact", "truncating-sums", "tf32-inputs", "tf32-inputs+truncating-sums"
    stored = ("weights-e4m3-scaled", "weights-e4m3", "weights-e5m2")
    few = dtype == "bfloat16"  # many sums in it are off by more than a weight in eight bits; those in float16 by less
    last = (*stored, "sums-rounded") if few else ("sums-rounded", *stored)
    sums = ("weights-rounded+sums-of-14-bits",) * few_bits
    return "exact", "weights-rounded", "weights-rounded+truncating-sums", "scores-rounded", *sums, *last


def stores_products(model: str) -> bool:
    """Whether products are stored before they are scaled, as declared."""
    return "products-rounded" in model.split("+")


def stores_eight_bits(model: str) -> bool:
    """Whether weights are stored in eight bits."""
    return any(part.startswith("weights-e") for part in model.split("+"))


def default_model(dtype: str) -> str:
    """The model of an implementation without a declaration."""
    return "exact" if dtype in ("float32", "float64") else "scores-rounded"


def held_to(declared: Mapping[str, str], dtype: str) -> str:
    """The model that an implementation declares for a dtype, else the default."""
    return declared.get(dtype) or default_model(dtype)


def unit(name: str) -> float:
    """The cost of a rounding as an exponent: fl(x) = x exp(e), |e| <= -log(1 - u), so that any number of them add up."""
    return -log1p(-ROUNDOFF[rounded(name)])


def underflow(name: str) -> float:
    """The largest loss of a number that becomes too small for its format."""
    return UNDERFLOW[rounded(name)]


@dataclass(frozen=True)
class Units:
    """The cost of each kind of rounding; 0 where the format is at least as fine as that of its input."""

    a: float
    """One operation in the accumulator's format."""
    p: float
    """Storing a product of a query and a key before it is scaled."""
    s: float
    """Storing a score."""
    w: float
    """Storing a weight."""
    o: float
    """Storing the output."""
    cast: float
    """Converting data to the accumulator's format."""
    operand: float
    """Reading data as an operand of a matrix product, with its conversion."""
    read: float
    """Reading an intermediate result as an operand of a matrix product."""
    truncates: bool
    tiny_products: float
    """The loss of such a product by underflow; 0, as the next, where it is in the dtype's usual accumulator."""
    tiny_scores: float
    tiny: float
    """The loss of a weight by underflow."""
    tiny_sums: float
    """The loss of a product or a sum by underflow."""
    tiny_out: float
    rounds_sums: bool = True
    m: float = 0.0
    """Adding a product in a matrix unit that cuts off."""
    together: int = NARROWEST_UNIT
    """Products that such a unit adds at once."""

    @classmethod
    @cache
    def from_precision(cls, p: Precision) -> Units:
        """The units of a precision."""
        sums, usual = p.sums, accumulator(p.output)
        cast, read = _coarser(sums, p.output), _coarser(p.inputs, sums)
        coarse = CUT_OFF[p.accumulation.removeprefix(sums)]
        return cls(
            a=unit(sums), p=_coarser(p.products, sums), s=_coarser(p.scores, sums),
            w=_coarser(p.weights, sums), o=_coarser(p.output, sums),
            cast=cast, operand=cast + (read and _coarser(p.inputs, p.output)), read=read, truncates=p.accumulation != sums,
            tiny_products=underflow(p.products) if _coarser(p.products, usual) else 0.0,
            tiny_scores=underflow(p.scores) if _coarser(p.scores, usual) else 0.0,
            tiny=max(underflow(sums), underflow(p.weights)), tiny_sums=underflow(sums), tiny_out=underflow(p.output),
            m=unit(sums) if coarse is None else -log1p(-coarse), together=NARROWEST_UNIT if coarse is None else UNIT_OF_FEW_BITS,
        )  # fmt: skip

    def sums(self, n: Any, among: Any = None) -> Any:
        """The cost of n additions, n a number or an array of numbers, of so many terms that are not 0 `among` all there are.

        A unit that cuts off loses up to 2u for each of its addends and two results in each block; that has a sign, and is
        never the square root of anything.
        """
        n = np.maximum(n, 0) * self.rounds_sums
        if self.truncates:
            return 2 * self.m * (n + 2 * np.minimum(n, np.ceil((n if among is None else among) / self.together)))
        return self.a * np.minimum(n, sqrt(DETERMINISTIC) * np.sqrt(n))

    @property
    def beside_matrix_units(self) -> Units:
        """The costs of sums that no matrix unit of few bits makes: those of powers."""
        return self if self.m == self.a else replace(self, truncates=False, m=self.a)

    @property
    def dequantising(self) -> Units:
        """The costs of data that are stored with scales: two roundings of each as it is read, beside that of the operand."""
        return replace(self, operand=self.cast + self.read + 2 * self.a)

    @property
    def leans(self) -> bool:
        """Whether errors of sums have a sign: they are cut off, or so coarse that small terms are lost from them all the time."""
        return self.truncates or self.a >= unit(COARSE)

    @property
    def systematic(self) -> Units:
        """The costs that may have the same sign in every element: constants and functions. Stores and sums round to nearest."""
        return replace(self, p=0.0, s=0.0, w=0.0, o=0.0, operand=self.cast, read=0.0, rounds_sums=False)


def _coarser(name: str, other: str) -> float:
    return unit(name) if ROUNDOFF[name] > ROUNDOFF[other] else 0.0


def tiles(keys: int) -> int:
    """Tiles or parts in which keys are visited at most: none in use is smaller than 16 keys."""
    return ceil(keys / 16)

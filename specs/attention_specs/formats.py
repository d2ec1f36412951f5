"""The dtypes, each a row of one table, and the constants of their arithmetic.

Unit roundoff u is half the distance from 1 to the next number, so that rounding a real x to the dtype gives
x(1 + e), |e| <= u, as long as nothing underflows (Higham, Accuracy and Stability of Numerical Algorithms, 2.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import ml_dtypes
import numpy as np


@dataclass(frozen=True)
class Format:
    """One dtype. The frameworks know it by the name of its row."""

    kind: type[np.generic]
    """Of NumPy or of ml_dtypes."""
    weight: int = 1
    """How often it is drawn, beside the others; 0: numbers are stored in it, and no call has it as its dtype."""

    @cached_property
    def limits(self) -> ml_dtypes.finfo:
        """The constants of the arithmetic."""
        return ml_dtypes.finfo(self.kind)


FORMATS: dict[str, Format] = {
    "float32": Format(np.float32, weight=2),
    "float64": Format(np.float64),
    "bfloat16": Format(ml_dtypes.bfloat16),
    "float16": Format(np.float16),
    "float8_e4m3fn": Format(ml_dtypes.float8_e4m3fn, weight=0),
    "float8_e5m2": Format(ml_dtypes.float8_e5m2, weight=0),
    "float8_e4m3fnuz": Format(ml_dtypes.float8_e4m3fnuz, weight=0),
}
DTYPES = tuple(name for name, known in FORMATS.items() if known.weight)
"""The dtypes of calls: of queries and outputs."""
STORED = tuple(name for name, known in FORMATS.items() if not known.weight)
"""The formats in which arrays are stored with scales."""


def deck() -> list[str]:
    """The dtypes as they are drawn in turn: the frequent ones first, then the short ones."""
    ranked = sorted(DTYPES, key=lambda name: (-FORMATS[name].weight, FORMATS[name].limits.bits))
    return [name for name in ranked for _ in range(FORMATS[name].weight)]


def numpy_dtype(name: str) -> np.dtype:
    """The NumPy dtype of that name; ValueError for another."""
    if name not in FORMATS:
        raise ValueError(f"dtype={name}, but should be one of {', '.join(FORMATS)}")
    return np.dtype(FORMATS[name].kind)


def is_foreign(dtype: np.dtype) -> bool:
    """Whether NumPy itself lacks the dtype, so that libraries take its bytes alone."""
    return dtype.isbuiltin == 2


def is_narrow(name: str) -> bool:
    """Whether the range is much smaller than that of float32, in which its sums are kept: scores may leave it."""
    return largest(name) < largest("float32") / 2


def unit_roundoff(name: str) -> float:
    """u of round-to-nearest: 2^-53, 2^-24, 2^-11 (float16), 2^-8 (bfloat16), 2^-4 (e4m3), 2^-3 (e5m2)."""
    return float(FORMATS[name].limits.eps) / 2


def smallest_normal(name: str) -> float:
    """Below this, numbers lose digits, or become zero where subnormals are flushed."""
    return float(FORMATS[name].limits.smallest_normal)


def smallest_subnormal(name: str) -> float:
    """The smallest number above 0."""
    return float(FORMATS[name].limits.smallest_subnormal)


def largest(name: str) -> float:
    """The largest finite number."""
    return float(FORMATS[name].limits.max)


def accumulator(name: str) -> str:
    """The dtype in which sums of products of this dtype are expected to be kept."""
    return "float64" if name == "float64" else "float32"


def has_extended_precision() -> bool:
    """Whether np.longdouble has more digits than float64 (x86 Linux; not Windows, not Arm macOS)."""
    return np.finfo(np.longdouble).nmant > np.finfo(np.float64).nmant


def oracle_dtype(name: str) -> np.dtype:
    """The dtype the oracle computes in: float64, or extended precision for float64 inputs."""
    return np.dtype(np.longdouble) if name == "float64" else np.dtype(np.float64)

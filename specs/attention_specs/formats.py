"""The four dtypes and the constants of their arithmetic.

Unit roundoff u is half the distance from 1 to the next number, so that rounding a real x to the dtype gives
x(1 + e), |e| <= u, as long as nothing underflows (Higham, Accuracy and Stability of Numerical Algorithms, 2.1).
"""

from __future__ import annotations

from functools import cache

import ml_dtypes
import numpy as np

DTYPES = ("float32", "float64", "bfloat16", "float16")


def numpy_dtype(name: str) -> np.dtype:
    """The NumPy dtype of that name; bfloat16 is ml_dtypes'."""
    if name not in DTYPES:
        raise ValueError(f"dtype={name}, but should be one of {', '.join(DTYPES)}")
    return np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)


@cache
def _finfo(name: str) -> ml_dtypes.finfo:
    return ml_dtypes.finfo(numpy_dtype(name))


def unit_roundoff(name: str) -> float:
    """u of round-to-nearest: 2^-53, 2^-24, 2^-11 (float16), 2^-8 (bfloat16)."""
    return float(_finfo(name).eps) / 2


def smallest_normal(name: str) -> float:
    """Below this, numbers lose digits, or become zero where subnormals are flushed."""
    return float(_finfo(name).smallest_normal)


def largest(name: str) -> float:
    """The largest finite number."""
    return float(_finfo(name).max)


def accumulator(name: str) -> str:
    """The dtype in which sums of products of this dtype are expected to be kept."""
    return "float64" if name == "float64" else "float32"


def has_extended_precision() -> bool:
    """Whether np.longdouble has more digits than float64 (x86 Linux; not Windows, not Arm macOS)."""
    return np.finfo(np.longdouble).nmant > np.finfo(np.float64).nmant


def oracle_dtype(name: str) -> np.dtype:
    """The dtype the oracle computes in: float64, or extended precision for float64 inputs."""
    return np.dtype(np.longdouble) if name == "float64" else np.dtype(np.float64)

"""Rotary positions (Su et al. 2021): in each head, pairs of channels of a query and a key are turned by an angle of their position.

Pair c of position i turns by i base^(-2c/D). The pairs are `halves`, channels c and c + D/2, or `neighbours`, 2c and 2c + 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from attention_specs.choices import one_of
from attention_specs.formats import unit_roundoff
from attention_specs.precision import Units

PAIRS = ("halves", "neighbours")
EXAMPLE = 'rotary = {"base": 10000, "pairs": "halves"}'
TABLES = unit_roundoff("float32")
"""Angles, sines and cosines are worked out in float32, whatever the dtype is."""


@dataclass(frozen=True)
class Rotary:
    """The angles by their base, and the channels that make a pair."""

    base: float = 10000.0
    pairs: str = "halves"

    @classmethod
    def declared(cls, attributes: object) -> Rotary | None:
        """From a plain mapping, such as {"base": 10000, "pairs": "halves"}; None from an empty one. ValueError for anything else."""
        if not isinstance(attributes, Mapping):
            raise ValueError(f"rotary={attributes}, but should be a dict, {EXAMPLE}")
        for name in attributes:
            one_of("rotary", name, ("base", "pairs"))
        if not attributes:
            return None
        pairs = str(one_of("pairs of rotary", attributes.get("pairs", "halves"), PAIRS))
        try:
            base = float(attributes.get("base", 10000.0))
        except (TypeError, ValueError):
            base = 0.0
        if not 1 < base < np.inf:
            raise ValueError(f"base of rotary={attributes['base']}, but should be a number above 1")
        return cls(base, pairs)

    @property
    def text(self) -> str:
        """In words."""
        return f"queries and keys turned by their positions, base {self.base:g}, pairs are {self.pairs}"

    def turned(self, a: np.ndarray, back: bool = False) -> np.ndarray:
        """[..., L, D], turned by its positions 0 to L - 1, or back again; in the dtype of a."""
        angles = self._angles(a.shape, a.dtype)
        cosine, sine = np.cos(angles), np.sin(-angles if back else angles)
        first, second = self._apart(a)
        return self._together(first * cosine - second * sine, second * cosine + first * sine)

    def error(self, a: np.ndarray, off: np.ndarray, u: Units) -> np.ndarray:
        """[..., L, D]: the error after turning `a`, which is off by `off`.

        The angle is off by (3 e ln(base) + 4) roundings in float32, where e is its exponent 2c/D; with e = 0 it is the position.
        A sine is off by that, by its own rounding and by that of a table in the dtype; three more roundings are of the sum.
        """
        angles, exponents = self._angles(a.shape, np.dtype(np.float64)), self._exponents(a.shape[-1])
        roundings = np.where(exponents == 0, 0, 3 * exponents * np.log(self.base) + 4)
        table = angles * roundings * TABLES + 3 * TABLES + np.expm1(u.o)
        cosine, sine = np.abs(np.cos(angles)), np.abs(np.sin(angles))
        (first, second), (off_first, off_second) = self._apart(np.abs(a)), self._apart(off)
        first, second, steps = first + off_first, second + off_second, np.expm1(3 * (u.a + u.w))

        def of(own: np.ndarray, other: np.ndarray, own_off: np.ndarray, other_off: np.ndarray) -> np.ndarray:
            inherited = own_off * cosine + other_off * sine
            error: np.ndarray = inherited + (own + other) * table + steps * (own * (cosine + table) + other * (sine + table))
            return error + 3 * u.tiny

        return self._together(of(first, second, off_first, off_second), of(second, first, off_second, off_first))

    def _exponents(self, dim: int) -> np.ndarray:
        return 2 * np.arange(dim // 2) / max(dim, 1)

    def _angles(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """[L, D/2]. ValueError for a dimension that has no pairs."""
        if shape[-1] % 2:
            raise ValueError(f"head_dim={shape[-1]}, but should be even: rotary positions turn pairs of channels")
        exponents = 2 * np.arange(shape[-1] // 2).astype(dtype) / max(shape[-1], 1)
        angles: np.ndarray = np.arange(shape[-2]).astype(dtype)[:, None] * dtype.type(self.base) ** -exponents
        return angles

    def _apart(self, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        half = a.shape[-1] // 2
        return (a[..., :half], a[..., half:]) if self.pairs == "halves" else (a[..., ::2], a[..., 1::2])

    def _together(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        if self.pairs == "halves":
            return np.concatenate([first, second], -1)
        return np.stack([first, second], -1).reshape(*first.shape[:-1], -1 if first.size else 2 * first.shape[-1])

"""Inputs of a candidate: arrays of its own, and values that change while the right answer stays known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attention_harness.process.packing import aligned


@dataclass(frozen=True, eq=False)
class Signs:
    """Signs for the columns of q and k together, which leave q k^T as it is to the last bit, and for those of v, which come
    out as signs of the output's columns: new values whose right answer is known without asking the oracle again. With those
    of v for the output's gradient, dq and dk get the former and dv the latter.
    """

    head: np.ndarray | int = 1
    value: np.ndarray | int = 1

    @classmethod
    def from_number(cls, number: int, head_dim: int, value_dim: int) -> Signs:
        """The signs of this number for the columns of a head; number 0 leaves everything as it is."""
        if not number:
            return cls()
        rng = np.random.default_rng(number)
        head, value = (rng.choice([-1, 1], dim) for dim in (head_dim, value_dim))
        return cls(head, value)

    def given(self, name: str, array: np.ndarray) -> np.ndarray:
        """The array that the candidate gets."""
        return signed(array, self._of(name, array))

    def give(self, name: str, array: np.ndarray, into: np.ndarray) -> None:
        """Writes that array where the candidate gets it from."""
        np.multiply(array, np.asarray(self._of(name, array)).astype(array.dtype), out=into)

    def taken(self, name: str, array: np.ndarray) -> np.ndarray:
        """The output or gradient for values without signs; one of a wrong shape as it is, for the gate to see."""
        signs = self._of(name, array)
        fits = isinstance(signs, int) or array.shape[-1:] == signs.shape
        return signed(array, signs) if fits else array

    def _of(self, name: str, array: np.ndarray) -> np.ndarray | int:
        """Of the columns of one head, or of several side by side: `past_k`, `k_pages`, `k_new` and `dk` are keys, as `k` is."""
        signs = self.head if name.removeprefix("d").removeprefix("past_")[0] in "qk" else self.value
        return signs if isinstance(signs, int) else np.tile(signs, max(array.shape[-1] // max(signs.size, 1), 1))


def signed(array: np.ndarray, signs: np.ndarray | int) -> np.ndarray:
    """The array times the signs of its columns, in its own dtype."""
    return array if isinstance(signs, int) else array * signs.astype(array.dtype)


def own_copy(array: np.ndarray) -> np.ndarray:
    """The values on fresh memory that starts on a cache line, in the usual order."""
    copy = aligned(array.nbytes).view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal byte for byte; arrays of one shape and dtype in the usual order."""
    first, second = (np.ascontiguousarray(one).reshape(-1).view(np.uint8) for one in (a, b))
    return bool(np.array_equal(first, second))

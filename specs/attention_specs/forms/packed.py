"""Packed: the entries one behind the other without padding, as flash-attention's varlen functions take them.

`f(q [Tq, Hq, D], k [Tk, Hkv, D], v [Tk, Hkv, Dv], *, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, ...)` gives out
[Tq, Hq, Dv] and lse [Hq, Tq]. Entry b has the rows cu_seqlens[b] to cu_seqlens[b + 1], int32 [B + 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from attention_specs.contract import Conventions
from attention_specs.forms.padded import Padded
from attention_specs.spec import Call, Inputs

SAID = ("is_causal", "scale", "window", "softcap", "sinks", "return_lse")
"""Options that packed and paged functions have."""


class Packed(Padded):
    """Queries and keys without padding."""

    name: ClassVar[str] = "packed"
    options: ClassVar[tuple[str, ...]] = SAID
    implied: ClassVar[tuple[str, ...]] = ("query_lengths", "key_lengths")
    metadata: ClassVar[tuple[str, ...]] = ("cu_seqlens_q", "cu_seqlens_k", "max_seqlen_q", "max_seqlen_k", "seqused_k")
    needed: ClassVar[tuple[tuple[str, ...], ...]] = (("cu_seqlens_q",), ("cu_seqlens_k",))
    usual: ClassVar[tuple[str, ...]] = metadata[:4]
    layouts: ClassVar[tuple[str, ...]] = ("thd",)

    @staticmethod
    def conventions(declared: Conventions) -> Conventions:
        """Queries behind a length are zeros, since they come back from here and not from the function."""
        return declared.with_zeros_behind_queries()

    def to_call(self, x: Inputs, call: Call) -> Call:
        """The rows that are there, and where each entry begins."""
        arrays = {name: rows(call.arrays[name], self._lengths(name, x, call.arrays[name])) for name in ("q", "k", "v")}
        return Call(arrays, self._metadata(x, call) | said(call.options))

    def _metadata(self, x: Inputs, call: Call) -> dict[str, object]:
        q, k = call.arrays["q"], call.arrays["k"]
        there = {"q": self._lengths("q", x, q), "k": self._lengths("k", x, k)}
        values: dict[str, object] = {f"cu_seqlens_{name}": offsets(lengths) for name, lengths in there.items()}
        values |= {f"max_seqlen_{name}": int(lengths.max(initial=0)) for name, lengths in there.items()}
        values["seqused_k"] = lengths_of(x, "k", k).astype(np.int32)
        return {name: value for name, value in values.items() if name in self.description.metadata}

    def _lengths(self, name: str, x: Inputs, array: np.ndarray) -> np.ndarray:
        """Rows of each entry in the call: all that were allocated, where another parameter says how many of the keys count."""
        if name != "q" and "seqused_k" in self.description.metadata:
            return np.full(array.shape[0], array.shape[2])
        return lengths_of(x, name, array)

    def shape(self, x: Inputs, name: str) -> tuple[int, ...]:
        """Of a result in this form."""
        padded = super().shape(x, name)
        total = int(self._of(name, x).sum())
        if name == "lse":
            return padded[1], total
        return padded if name == "dsinks" else (total, padded[1], padded[3])

    def _of(self, name: str, x: Inputs) -> np.ndarray:
        """The rows that each entry has in a result."""
        of_keys = name in ("dk", "dv")
        return self._lengths(name[1:] if of_keys else "q", x, getattr(x, name[1:] if of_keys else "q"))

    def from_answer(self, x: Inputs, name: str, array: np.ndarray) -> np.ndarray:
        """A result with its padding: zeros, and in an lse what a row without keys has."""
        if name == "dsinks":
            return array
        lengths, longest = self._of(name, x), super().shape(x, name)[2]
        if name != "lse":
            return with_padding(array, lengths, longest, 0.0)
        return with_padding(array.T[..., None], lengths, longest, self._lse_of_nothing(x))[..., 0]

    def _lse_of_nothing(self, x: Inputs) -> np.ndarray | float:
        """-inf, or the sink of each head, [Hq, 1], in the declared base."""
        sinks: np.ndarray | None = getattr(x, "sinks", None)
        unit = np.log(2) if self.description.conventions.lse_base == "2" else 1.0
        return -np.inf if sinks is None else sinks.astype(np.float64)[:, None] / unit

    def to_answer(self, x: Inputs, name: str, array: np.ndarray) -> np.ndarray:
        """The rows of a result that are there."""
        if name == "dsinks":
            return array
        lengths = self._of(name, x)
        return rows(array[..., None], lengths)[..., 0].T if name == "lse" else rows(array, lengths)


def said(options: Mapping[str, object]) -> dict[str, object]:
    """The options of a call but its lengths, which are metadata."""
    return {name: value for name, value in options.items() if name not in Packed.implied}


def lengths_of(x: Inputs, name: str, array: np.ndarray) -> np.ndarray:
    """Int [B]: the rows of each entry of q, k or v that count; all of them where none are given, or given for other entries."""
    given = getattr(x, "query_lengths" if name == "q" else "key_lengths")
    full = np.full(array.shape[0], array.shape[2])
    return full if given is None or len(given) != array.shape[0] else np.minimum(given, full)


def offsets(lengths: np.ndarray) -> np.ndarray:
    """Int32 [B + 1]: where each entry begins, and behind them where the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)


def there(lengths: np.ndarray, longest: int) -> np.ndarray:
    """Bool [B, L]: the positions before each length."""
    return np.asarray(np.arange(longest) < lengths[:, None])


def rows(array: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """[B, H, L, D] -> [T, H, D]: the first rows of each entry, one entry behind the other."""
    return array.transpose(0, 2, 1, 3)[there(lengths, array.shape[2])]


def with_padding(array: np.ndarray, lengths: np.ndarray, longest: int, padding: np.ndarray | float) -> np.ndarray:
    """[T, H, D] -> [B, H, L, D], with this number, or these of each head, behind the lengths."""
    padded = np.empty((len(lengths), longest, *array.shape[1:]), array.dtype)
    padded[...] = padding
    padded[there(lengths, longest)] = array
    return padded.transpose(0, 2, 1, 3)

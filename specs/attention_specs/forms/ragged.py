"""What packed and paged calls share: the rows of queries without padding, and the way back of the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np

from attention_specs.contract import SCALES, Conventions
from attention_specs.forms.padded import Padded
from attention_specs.forms.variants import NOTHING, SAME, changed
from attention_specs.spec import Call, Inputs

SAID = ("is_causal", "scale", "window", "softcap", "sinks", "return_lse")
"""Options that packed and paged functions have."""
KINDS = {"metadata": SAME, "nonsense": NOTHING}


class Ragged(Padded):
    """Entries of unequal lengths. The queries are [Tq, Hq, D] where cu_seqlens_q is taken, int32 [B + 1], else [B, Lq, Hq, D]."""

    options: ClassVar[tuple[str, ...]] = (*SAID, *SCALES)
    scales: ClassVar[tuple[str, ...]] = ("tensor", "head")
    ragged: ClassVar[bool] = True
    alike: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    @classmethod
    def implied(cls, metadata: Sequence[str]) -> tuple[str, ...]:
        """The lengths of keys, and those of queries where their offsets are taken."""
        return ("query_lengths", "key_lengths") if "cu_seqlens_q" in metadata else ("key_lengths",)

    @staticmethod
    def conventions(declared: Conventions) -> Conventions:
        """Queries behind a length are zeros, since they come back from here and not from the function."""
        return declared.with_zeros_behind_queries()

    def otherwise(self, x: Inputs, call: Call, kind: str) -> Iterator[tuple[str, Call]]:
        """Other metadata that says the same, "metadata", or that says nothing, "nonsense"."""
        yield from changed(self.to_call(x, call), KINDS.get(kind, {}))

    @property
    def packs_queries(self) -> bool:
        """Whether queries come without padding."""
        return "cu_seqlens_q" in self.description.metadata

    def queries(self, x: Inputs, q: np.ndarray) -> np.ndarray:
        """Queries [B, Hq, Lq, D] in this form."""
        return rows(q, lengths_of(x, "q", q)) if self.packs_queries else q.transpose(0, 2, 1, 3)

    def of_queries(self, x: Inputs, q: np.ndarray) -> dict[str, object]:
        """The metadata of the queries."""
        lengths = lengths_of(x, "q", q)
        return {"cu_seqlens_q": offsets(lengths), "max_seqlen_q": int(lengths.max(initial=0))}

    def taken(self, values: Mapping[str, object], call: Call) -> dict[str, object]:
        """Those of the values that the function takes, and the options of the call but its lengths."""
        metadata = {name: value for name, value in values.items() if name in self.description.metadata}
        return metadata | {name: value for name, value in call.options.items() if name not in LENGTHS}

    def rows_in(self, x: Inputs, name: str) -> np.ndarray:
        """Int [B]: the rows that each entry has in a result."""
        given: np.ndarray | None = getattr(x, "query_lengths", None)
        batch, _, longest, _ = x.score_shape
        return np.full(batch, longest) if given is None else given

    def shape(self, x: Inputs, name: str) -> tuple[int, ...]:
        """Of a result in this form."""
        padded = super().shape(x, name)
        if name == "dsinks" or (name == "lse" and not self.packs_queries):
            return padded
        if not self.packs_queries:
            return padded[0], padded[2], padded[1], padded[3]
        total = int(self.rows_in(x, name).sum())
        return (padded[1], total) if name == "lse" else (total, padded[1], padded[3])

    def from_answer(self, x: Inputs, name: str, array: np.ndarray) -> np.ndarray:
        """A result with its padding: zeros, and in an lse what a row without keys has."""
        if name == "dsinks" or (name == "lse" and not self.packs_queries):
            return array
        if not self.packs_queries:
            return array.transpose(0, 2, 1, 3)
        lengths, longest = self.rows_in(x, name), super().shape(x, name)[2]
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
        if name == "dsinks" or (name == "lse" and not self.packs_queries):
            return array
        if not self.packs_queries:
            return array.transpose(0, 2, 1, 3)
        lengths = self.rows_in(x, name)
        return rows(array[..., None], lengths)[..., 0].T if name == "lse" else rows(array, lengths)


LENGTHS = ("query_lengths", "key_lengths")


def lengths_of(x: Inputs, name: str, array: np.ndarray) -> np.ndarray:
    """Int [B]: the rows of each entry of q, k or v that count; all of them where none are given, or given for other entries."""
    given: np.ndarray | None = getattr(x, "query_lengths" if name == "q" else "key_lengths")
    full = np.full(array.shape[0], array.shape[2])
    return full if given is None or len(given) != len(full) else np.minimum(given, full)


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

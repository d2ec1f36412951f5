"""The form of the contract itself, and what every other form answers: names, the call, and the way back of each result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np

from attention_specs.attention import storage
from attention_specs.contract import CACHE, LAYOUTS, OPTIONS, SCALES, Conventions, Description
from attention_specs.spec import Call, Inputs


class Padded:
    """All entries in one array, [B, H, L, D]. Other forms are subclasses."""

    name: ClassVar[str] = "padded"
    arrays: ClassVar[tuple[str, ...]] = ("q", "k", "v")
    """Arrays that are passed by position."""
    options: ClassVar[tuple[str, ...]] = (*OPTIONS, *SCALES)
    """Options of the contract that the form can say as parameters."""
    metadata: ClassVar[tuple[str, ...]] = ()
    """Parameters that only this form has: where entries begin and end."""
    needed: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Metadata without which a call would mean nothing: one of each tuple."""
    usual: ClassVar[tuple[str, ...]] = ()
    """Metadata for a function that takes any keyword and names none."""
    layouts: ClassVar[tuple[str, ...]] = tuple(LAYOUTS)
    """Orders of the axes, the usual one first."""
    rows: ClassVar[tuple[str, ...]] = CACHE
    """Options that have keys and values: what stands in the arrays of a call stands there too."""
    scales: ClassVar[tuple[str, ...]] = storage.SCALES
    """Scales of numbers in eight bits that have a place in the call."""

    written: ClassVar[tuple[str, ...]] = ()
    """Arrays that a call has to write to; all others are left alone."""
    differentiable: ClassVar[bool] = True
    """Whether gradients have a form."""
    ragged: ClassVar[bool] = False
    """Whether entries of unequal lengths come without padding."""
    alike: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "qkv": ("query_length == key_length", "key_heads == query_heads", "head_dim == value_dim"),
        "kv": ("head_dim == value_dim",),
    }
    """Array of several that the form can hand over -> conditions under which they fit into one."""
    fused_place: ClassVar[str] = "along an axis in front of the heads"
    """Where they lie in it, in words."""

    def __init__(self, description: Description) -> None:
        self.description = description

    @classmethod
    def implied(cls, metadata: Sequence[str]) -> tuple[str, ...]:
        """Options of the contract that every call says by this metadata."""
        return ()

    @staticmethod
    def conventions(declared: Conventions) -> Conventions:
        """What is declared, with what the form decides."""
        return declared

    def to_call(self, x: Inputs, call: Call) -> Call:
        """The call of the contract in this form."""
        return call

    def otherwise(self, x: Inputs, call: Call, kind: str) -> Iterator[tuple[str, Call]]:
        """The same inputs handed over in other ways of this kind, each with its name."""
        yield from ()

    def left_behind(self, x: Inputs, call: Call) -> dict[str, np.ndarray]:
        """The arrays that a call writes to, as it should leave them."""
        return {}

    def note(self, x: Inputs) -> str:
        """What a reader of a failure cannot see in the inputs, in words."""
        return ""

    def holder(self, name: str) -> str:
        """The argument of the call in which this array of the contract lies."""
        return name

    def part(self, x: Inputs, name: str, array: np.ndarray) -> np.ndarray:
        """Of the gradient of that argument, the gradient of this array in this form."""
        return array

    def shape(self, x: Inputs, name: str) -> tuple[int, ...]:
        """Of a result in this form: "out", "weights", "lse", or a gradient by the name of its argument with a d in front."""
        if name == "out":
            return x.output_shape
        if name in ("weights", "lse"):
            return tuple(x.score_shape[:3] if name == "lse" else x.score_shape)
        return tuple(getattr(x, name[1:]).shape)

    def from_answer(self, x: Inputs, name: str, array: np.ndarray) -> np.ndarray:
        """A result, as the contract has it: zeros, and an lse of -inf, at queries that the form leaves out."""
        return array

    def to_answer(self, x: Inputs, name: str, array: np.ndarray) -> np.ndarray:
        """The way back: a result of the contract in this form."""
        return array


def neutral(name: str, arrays: Mapping[str, np.ndarray]) -> object:
    """The value of an option that changes nothing; None where only its absence does."""
    q, k = (arrays[name] for name in [*arrays][:2])
    neutral: dict[str, Callable[[], object]] = {
        "mask": lambda: np.ones((1, 1, q.shape[2], k.shape[2]), bool),
        "bias": lambda: np.zeros((1, 1, q.shape[2], k.shape[2]), q.dtype),
        "is_causal": lambda: False,
        "scale": lambda: float(max(q.shape[-1], 1) ** -0.5),
        "window": lambda: (None, None),
        "query_lengths": lambda: np.full(q.shape[0], q.shape[2], np.int64),
        "key_lengths": lambda: np.full(q.shape[0], k.shape[2], np.int64),
        "return_weights": lambda: False,
        "return_lse": lambda: False,
    }
    return neutral[name]() if name in neutral else None

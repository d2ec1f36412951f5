"""The features of the matrix: options, forms, conventions, and what speaks about each."""

from collections.abc import Callable, Mapping
from typing import Any

Problem = Mapping[str, Any]

OPTIONS = ("mask", "bias", "is_causal", "scale", "window", "softcap", "sinks", "query_lengths", "key_lengths", "past")
"""Fields of a problem that are options of a call."""

FORMS: dict[str, Callable[[Problem], bool]] = {
    "grouped heads": lambda p: p.get("key_heads", 1) != p.get("query_heads", 1),
    "longer keys or queries": lambda p: p.get("key_length", 1) != p.get("query_length", 1),
    "other value dim": lambda p: p.get("value_dim", 1) != p.get("head_dim", 1),
    "no elements": lambda p: 0 in (p.get(name, 1) for name in ("batch", "query_length", "key_length", "head_dim", "value_dim")),
}
"""Form -> whether a problem has it; a field that is left out is 1."""

CONVENTIONS: dict[str, tuple[str, ...]] = {
    "empty_rows": ("P5", "L5"),
    "causal_alignment": ("M2", "M5"),
    "masked_nan_safe": ("S1",),
    "deterministic": ("P10", "L8"),
    "batch_invariant": ("R2",),
    "thread_safe": ("P11",),
    "checks_shapes": ("P12",),
}
"""Convention -> the clauses of the properties that judge it."""

GRADIENTS = "G"
"""First letter of the clauses about gradients."""

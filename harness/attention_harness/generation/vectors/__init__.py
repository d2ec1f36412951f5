"""Vectors: cases with given numbers that every run asks before it draws its own, as Project Wycheproof has them.

`files` reads the recorded failures in the folder `found`, `onnx_cases` the cases that the onnx package generates.
"""

from __future__ import annotations

from dataclasses import dataclass

from attention_specs.case import Case


@dataclass(frozen=True)
class Vector:
    """A case, and the properties that are judged on it beside an answer of the right shape."""

    name: str
    case: Case
    properties: tuple[str, ...]
    comment: str = ""
    flags: tuple[str, ...] = ()
    """Its classes of bugs."""
    source: str = ""
    rejects: str = ""
    """The fault of `attention_harness.audit.faults` that it rejects."""

"""Drives: cases, checks, isolation, timing, records, command line. Importing it loads no framework, and what it offers on demand."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attention_harness.conformance.closeness import assert_attention_close, attention_bound

__all__ = ["assert_attention_close", "attention_bound"]

MODULES = {"assert_attention_close": "conformance.closeness", "attention_bound": "conformance.closeness"}
"""Public name -> the module that has it, imported when the name is asked for."""


def __getattr__(name: str) -> object:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{MODULES[name]}"), name)

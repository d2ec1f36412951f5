"""Drives: cases, checks, isolation, timing, records, command line. Importing it loads no framework.

Names for Python programs are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attention_harness.conformance.closeness.assertion import assert_attention_close, attention_bound
    from attention_harness.generation.attention_cases import AttentionCase, attention_cases
    from attention_harness.runs.check_attention import check_attention
    from attention_harness.runs.pytest_plugin.parametrize import parametrize_with_properties
    from attention_harness.runs.result import Result

__all__ = [
    "AttentionCase", "Result", "assert_attention_close", "attention_bound", "attention_cases", "check_attention",
    "parametrize_with_properties",
]  # fmt: skip

MODULES = {
    "AttentionCase": "generation.attention_cases",
    "Result": "runs.result",
    "assert_attention_close": "conformance.closeness.assertion",
    "attention_bound": "conformance.closeness.assertion",
    "attention_cases": "generation.attention_cases",
    "check_attention": "runs.check_attention",
    "parametrize_with_properties": "runs.pytest_plugin.parametrize",
}
"""Public name -> its module."""


def __getattr__(name: str) -> object:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{MODULES[name]}"), name)

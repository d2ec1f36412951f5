"""What the harness needs of a spec: problems to arrays, arrays to a call, and what the call must give."""

from __future__ import annotations

from typing import Any

from attention_specs.registry import part


def spec_of(name: str) -> Any:
    """The module that says what a spec's problems, calls and answers are."""
    return part(name, "spec")

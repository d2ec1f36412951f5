"""The part of a spec that the harness needs: from problems to arrays, to a call, and to its expected answer."""

from __future__ import annotations

from typing import Any

from attention_specs.registry import part


def spec_of(name: str) -> Any:
    """The module of a spec's problems, calls and expected answers."""
    return part(name, "spec")

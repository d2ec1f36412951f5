"""The specs: each is a folder of this package with the same file names, and nothing else lists them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

SPECS = tuple(sorted(path.parent.name.replace("_", "-") for path in Path(__file__).parent.glob("*/spec.py")))
"""The names of all specs."""


def part(spec: str, file: str) -> ModuleType:
    """One file of a spec's folder, as a module. KeyError for a name that no spec has."""
    if spec not in SPECS:
        raise KeyError(spec)
    return import_module(f"{__package__}.{spec.replace('-', '_')}.{file}")

"""The claims that an attention can be held to. Every module here is loaded by `load_all`; a new file needs no list."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules


def load_all() -> None:
    """Imports all modules of this folder, which registers their claims in `attention_specs.property.CLAIMS`."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")

"""The properties of every right attention. `load_all` imports every module here, so that a new file needs no list."""

from __future__ import annotations

from attention_specs.property import PROPERTIES, Property
from attention_specs.registry import Registry


def load_all() -> Registry[Property]:
    """All properties, after the import of all modules of this folder."""
    return PROPERTIES.load(__name__)

"""Rotary positions that a module may have, by the words of its code and the numbers in it."""

from __future__ import annotations

import re

from attention_harness.registry.modules.kinds import class_of, code_of_class
from attention_harness.registry.modules.layer import Layer
from attention_harness.registry.modules.sizes import ROTARY_BASES, of_constructor
from attention_specs.multi_head.rotary import PAIRS, Rotary

TURNS = re.compile(r"rotary|\brope\b|apply_rot|\bcos\b|\bpolar\b|freqs", re.IGNORECASE)
"""Words in the code of a class that may turn queries and keys by their positions."""

USUAL = 10000.0


def candidates(layer: Layer) -> tuple[Rotary | None, ...]:
    """None first, then the rotations with a base that the instance, its constructor or most models have."""
    module = class_of(layer.thing)
    if not TURNS.search(code_of_class(module)):
        return (None,)
    constructor = of_constructor(module)
    bases = [getattr(layer.thing, name, None) for name in ROTARY_BASES] if not isinstance(layer.thing, type) else []
    bases += [constructor[name].default for name in ROTARY_BASES if name in constructor]
    numbers = dict.fromkeys(float(base) for base in (*bases, USUAL) if isinstance(base, int | float) and base > 1)
    return None, *(Rotary(base, pairs) for base in numbers for pairs in PAIRS)

"""The declarations of a function: its parameters, its attributes, and the refusal of unread ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from types import NoneType
from typing import Any

from attention_specs.choices import ALIKE, nearest, one_of
from attention_specs.contract import ATTRIBUTES, Conventions

FUNCTIONS = {"attention": "attention", "multi_head": "multi-head", "merge": "merge"}
"""Name of a function -> the spec that judges it, in the order in which a module is searched."""

POSITIONAL = {"attention": 3, "merge": 4, "multi-head": 11}
"""Arrays that each spec passes by position."""

RETURNED = {"merge": ("out", "lse")}
"""Spec -> the parts of the tuple that its functions always give, where that is no choice of theirs."""

OTHERS = ("name",)
"""Attributes of the authors' own that are spelt nearly like one of ATTRIBUTES."""


TAKEN = "_taken"
"""Attribute of a function of ours: names of the attributes that nobody declared."""

OPERATOR_CHECK = "_operator_check"
"""Attribute of a function of ours around an operator: a function that is called alike, and raises an OperatorReport."""


PROGRAM = "_program"
"""Attribute of a function of ours around a module: a function that is called alike, and gives what a program needs to call it."""


class OperatorReport(Exception):
    """What the framework's own check says of an operator, in one line; empty for nothing."""


NOTES = "_notes"
"""Attribute of a function of ours: sentences on what was taken without a declaration."""

NAMES = tuple, list, Set
ORDERED = tuple, list
KINDS: dict[str, tuple[Any, str]] = {
    "dtypes": ((*NAMES, NoneType), "a tuple of names"),
    "conventions": ((Mapping, Conventions), "a dict"),
    "precision": ((Mapping, str), "a name, or a dict of names by dtype"),
    "backward": ((Callable, NoneType), "a function"),
    "options": ((*NAMES, NoneType), "a tuple of names"),
    "names": (Mapping, "a dict of names by option"),
    "ignored": (NAMES, "a tuple of names"),
    "positional": (ORDERED, "a tuple of names"),
    "returns": (ORDERED, "a tuple of names"),
    "domain": (ORDERED, "a tuple of conditions"),
    "weights": (Mapping, "a dict of parameters by their role in the layer"),
    "storage": (Mapping, "a dict of format, arrays and scales"),
    "rotary": (Mapping, "a dict of base and pairs"),
}
"""Declaration that is not one of a few values -> its type, or types as `isinstance` takes them, and the type in words."""

HOLD_NAMES = ("dtypes", "precision", "options", "names", "ignored", "positional", "returns", "domain", "weights", "storage")
"""Declarations that hold text alone."""


def spec_of_function(function: Callable[..., object]) -> str:
    """The spec that a function declares, else the one that its name stands for. ValueError for one that is none."""
    by_name = FUNCTIONS.get(getattr(function, "__name__", ""), "attention")
    return one_of("spec", getattr(function, "spec", by_name), POSITIONAL)


def refuse_other_kinds(function: Callable[..., object]) -> None:
    """ValueError for a declaration of another type, or with anything but text in place of names."""
    for name, (kind, words) in KINDS.items():
        value = getattr(function, name, None)
        if hasattr(function, name) and not (isinstance(value, kind) and (name not in HOLD_NAMES or _texts(value))):
            example = f': ("{value}",)' if isinstance(value, str) and name in HOLD_NAMES else ""
            raise ValueError(f"{name}={value}, but should be {words}{example}")


def _texts(value: object) -> bool:
    names = value.values() if isinstance(value, Mapping) else value if isinstance(value, Iterable) else ()
    return all(isinstance(one, str) for one in names)


def refuse_unread(attributes: Mapping[str, object]) -> None:
    """ValueError for an attribute that is nearly one of ATTRIBUTES: `convention` would be ignored in silence."""
    for name in attributes:
        near = "" if name.startswith("_") or name in (*ATTRIBUTES, *OTHERS) else nearest(name, ATTRIBUTES, ALIKE)
        if near:
            raise ValueError(f"attribute={name}, but should be {near}: nobody reads {name}")

"""The declarations of a function: its parameters, its attributes, and the refusal of unread ones."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Set
from functools import wraps
from types import NoneType
from typing import Any

from attention_specs.choices import ALIKE, nearest, one_of
from attention_specs.contract import ATTRIBUTES, OPTIONS, Conventions

POSITIONAL = {"attention": 3, "multi-head": 11}
"""Arrays that each spec passes by position."""

OTHERS = ("name",)
"""Attributes of the authors' own that are spelt nearly like one of ATTRIBUTES."""


NAMES = tuple, list, Set
KINDS: dict[str, tuple[Any, str]] = {
    "dtypes": ((*NAMES, NoneType), "a tuple of names"),
    "conventions": ((Mapping, Conventions), "a dict"),
    "precision": ((Mapping, str), "a name, or a dict of names by dtype"),
    "backward": ((Callable, NoneType), "a function"),
    "options": ((*NAMES, NoneType), "a tuple of names"),
    "names": (Mapping, "a dict of names by option"),
    "ignored": (NAMES, "a tuple of names"),
}
"""Declaration that is not one of a few values -> its type, or types as `isinstance` takes them, and the type in words."""

HOLD_NAMES = ("dtypes", "precision", "options", "names", "ignored")
"""Declarations that hold text alone."""


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


def options_of(function: Callable[..., object], spec: str) -> tuple[str, ...]:
    """Options of the contract that the function takes, by its signature or as declared.

    Raises TypeError for a signature that cannot be called, ValueError for an unknown parameter or declaration.
    """
    signature = inspect.signature(function)
    free = _beyond_the_arrays(function, signature, spec)
    names, ignored = names_of(function), tuple(getattr(function, "ignored", ()))
    declared = getattr(function, "options", None)
    given = {names.get(option, option): option for option in OPTIONS if names.get(option, option) not in ignored}
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values()):
        wanted = [names.get(option, option) for option in declared or ()]
        _require_parameters([*names.values(), *ignored, *wanted], signature)
    _refuse_unknown([name for name in free if name not in given and name not in ignored])
    if declared is not None:
        return tuple(one_of("options", option, OPTIONS) for option in declared)
    return tuple(option for option in OPTIONS if option in {given.get(name) for name in free})


def names_of(function: Callable[..., object]) -> dict[str, str]:
    """Option -> the parameter that stands for it, as declared; ValueError for a name that is no option."""
    return {one_of("names", option, OPTIONS): name for option, name in dict(getattr(function, "names", {})).items()}


def by_its_names(function: Callable[..., object]) -> Callable[..., object]:
    """The function, to be called with the options by their names in the contract."""
    names = names_of(function)
    if not names:
        return function

    @wraps(function)
    def attention(*arrays: object, **options: object) -> object:
        return function(*arrays, **{names.get(name, name): value for name, value in options.items()})

    return attention


def _beyond_the_arrays(function: Callable[..., object], signature: inspect.Signature, spec: str) -> list[str]:
    """Parameters that are not given by position. TypeError if the arrays cannot be."""
    needed = POSITIONAL.get(spec, 3)
    heads = ("heads",) if spec == "multi-head" else ()
    try:
        arrays = signature.bind_partial(*[None] * needed).arguments
        free = [name for name, p in signature.parameters.items() if name not in arrays and p.kind not in VARIADIC]
        known = (*OPTIONS, *names_of(function).values(), *getattr(function, "ignored", ()))
        _refuse_required(signature, [name for name in free if name in known])
        signature.bind_partial(*[None] * needed, **dict.fromkeys(heads))
    except TypeError as error:
        wanted = "three arrays, q, k and v" if needed == 3 else f"{needed} arrays and heads"
        call = f"{getattr(function, '__name__', 'function')}{signature}"
        raise TypeError(f"signature={call}, but should take {wanted}: {error}") from error
    return [name for name in free if name not in heads]


VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _refuse_required(signature: inspect.Signature, known: list[str]) -> None:
    """TypeError if a parameter that may be left out has no default. Unknown parameters are not judged here."""
    required = [name for name in known if signature.parameters[name].default is inspect.Parameter.empty]
    if required:
        raise TypeError(f"missing a required argument: '{required[0]}', but should have a default")


def _require_parameters(names: list[str], signature: inspect.Signature) -> None:
    gone = [name for name in names if name not in signature.parameters]
    if gone:
        raise ValueError(f"declared={', '.join(gone)}, but should be among the parameters: {', '.join(signature.parameters)}")


def _refuse_unknown(parameters: list[str]) -> None:
    """ValueError with the declaration to paste: no parameter is left out in silence."""
    if not parameters:
        return
    meant: dict[str, str] = {}
    for parameter in parameters:
        meant.setdefault(nearest(parameter, OPTIONS), parameter)
    names = {option: parameter for option, parameter in meant.items() if option}
    ignored = [parameter for parameter in parameters if parameter not in names.values()]
    declarations = [f"attention.names = {json.dumps(names)}"] if names else []
    declarations += [f"attention.ignored = ({', '.join(map(json.dumps, ignored))},)"] if ignored else []
    raise ValueError(
        f"parameter={', '.join(parameters)}, but should be {', '.join(names) or 'an option of the contract'}: "
        f"rename or declare it, {' and '.join(declarations)}"
    )

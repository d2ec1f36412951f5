"""Function objects: a callable of any kind as a plain function with its declarations, and the framework whose arrays it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, MethodType
from typing import get_args, get_type_hints

from attention_harness import frameworks
from attention_harness.frameworks.values import framework_of_module
from attention_harness.registry.declarations import TAKEN, refuse_unread
from attention_harness.registry.sources import beside, joined
from attention_specs.contract import ATTRIBUTES

Function = Callable[..., object]


def name_of(function: Function) -> str:
    """A name to show: that of the function, or of the class of an instance."""
    inner = innermost(function)
    return getattr(inner, "__name__", type(inner).__name__).strip("<>")


def innermost(function: object) -> object:
    """The function in partials."""
    return innermost(function.func) if isinstance(function, partial) else function


def as_function(function: Function, declared: Mapping[str, object] = {}) -> Function:
    """The callable as a function of its own, with its declarations and those beside it; the object itself is not changed.

    `declared` counts before the attributes of the function, and a framework that is found where none is declared. Raises ValueError
    for declarations that nobody reads, or without a signature.
    """
    refuse_unread(getattr(function, "__dict__", {}) if inspect.isfunction(function) else {})

    def attention(*arrays: object, **options: object) -> object:
        return function(*arrays, **options)

    inner = innermost(function)
    attributes = joined({name: getattr(inner, name) for name in ATTRIBUTES if hasattr(inner, name)}, declared)
    if "framework" not in attributes and (framework := framework_of_object(function)) != "numpy":
        attributes["framework"], vars(attention)[TAKEN] = framework, ("framework",)
    vars(attention).update(attributes, __signature__=_signature(function))
    attention.__name__, attention.__doc__ = name_of(function), inspect.getdoc(inner)
    return attention


def declaring(function: Function, declared: Mapping[str, object]) -> Function:
    """The function itself where it needs nothing more, else as a function of its own."""
    if (
        inspect.isfunction(function)
        and not declared
        and (hasattr(function, "framework") or framework_of_object(function) == "numpy")
    ):
        return function
    return as_function(function, declared)


def beside_object(function: Function) -> Mapping[str, object]:
    """What the file beside the code of the function declares. ValueError for a file that cannot be read so."""
    code = getattr(_code_owner(innermost(function)), "__code__", None)
    return beside(Path(code.co_filename), name_of(function)) if isinstance(code, CodeType) else {}


def _signature(function: Function) -> inspect.Signature:
    """The parameters that a call may still give: those that a partial binds are no parameters any more."""
    try:
        signature = inspect.signature(function)
    except ValueError as error:
        raise ValueError(f"signature of {name_of(function)}=none, but should be written down: wrap it in a function") from error
    bound = function.keywords if isinstance(function, partial) else {}
    return signature.replace(parameters=[one for name, one in signature.parameters.items() if name not in bound])


def framework_of_object(function: Function) -> str:
    """The framework whose arrays it takes: by its type, else its annotations, else what its code names; NumPy if in doubt."""
    inner = innermost(function)
    for names in (_by_type(inner), _by_annotations(inner), _by_code(_code_owner(inner), set())):
        among = set(names)
        if others := among - {"numpy"}:
            return others.pop() if len(others) == 1 else "numpy"
        if among:
            return "numpy"
    return "numpy"


def _framework(module: object) -> Iterator[str]:
    if framework := framework_of_module(str(module)):
        yield framework


def _by_type(function: object) -> Iterator[str]:
    """Of a module of torch, a function compiled by JAX, and the like."""
    for kind in type(function).__mro__:
        yield from _framework(kind.__module__)


def _by_annotations(function: object) -> Iterator[str]:
    try:
        hints = get_type_hints(_code_owner(function))
    except Exception:  # an annotation may name anything
        return
    for hint in hints.values():
        for one in (hint, *get_args(hint)):
            yield from _framework(getattr(one, "__module__", ""))


def _code_owner(function: object) -> object:
    """The function whose code runs: of a method, of an instance, of a wrapper."""
    inner = inspect.unwrap(function) if callable(function) else function
    if not isinstance(inner, FunctionType | MethodType):
        inner = inspect.getattr_static(type(inner), "__call__", None)
    return getattr(inner, "__func__", inner)


def _by_code(function: object, known: set[object]) -> Iterator[str]:
    """What the code names, and the functions of its own module that it calls."""
    if not isinstance(function, FunctionType) or function in known:
        return
    known.add(function)
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    for name in _names(function.__code__):
        value = function.__globals__.get(name) if name not in cells else _content(cells[name])
        if name.partition(".")[0] in frameworks.NAMES and name not in function.__globals__:
            yield from _framework(name)  # imported within the function
        yield from _framework(getattr(value, "__name__", "") if inspect.ismodule(value) else getattr(value, "__module__", ""))
        if isinstance(value, FunctionType) and value.__module__ == function.__module__:
            yield from _by_code(value, known)


def _content(cell: object) -> object:
    try:
        return getattr(cell, "cell_contents", None)
    except ValueError:  # not filled yet
        return None


def _names(code: CodeType) -> Iterator[str]:
    """The names in the code, and in the functions that it defines."""
    yield from (*code.co_names, *code.co_freevars)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)

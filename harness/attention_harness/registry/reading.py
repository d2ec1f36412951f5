"""Reading of a callable: the framework whose arrays it takes, and whether it always returns a tuple, by its type, annotations, code."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Iterator
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import get_args, get_type_hints

import numpy as np

from attention_harness import frameworks
from attention_harness.frameworks.values import framework_of_module

Function = Callable[..., object]

CONVERSIONS = ("from_numpy", "as_tensor", "asarray", "tensor", "array", "numpy")
"""Names in code that may take NumPy's arrays to another framework's, or back."""


def innermost(function: object) -> object:
    """The function in partials."""
    return innermost(function.func) if isinstance(function, partial) else function


def code_of(function: Function) -> CodeType | None:
    """The code that runs: of a function, a method, an instance, a partial, a wrapper."""
    code = getattr(_code_owner(innermost(function)), "__code__", None)
    return code if isinstance(code, CodeType) else None


def returned_always(code: CodeType | None) -> int:
    """The number of parts, where each return of the code makes a tuple of so many; else 0."""
    if code is None:
        return 0
    steps = list(dis.get_instructions(code))
    before = [steps[place - 1] for place, step in enumerate(steps) if step.opname.startswith("RETURN_")]
    parts = {step.arg if step.opname == "BUILD_TUPLE" else 0 for step in before}
    return parts.pop() or 0 if len(parts) == 1 else 0


def framework_taken(function: Function) -> str:
    """The framework whose arrays it takes; where its code names another than NumPy and converts arrays, the one that it answers."""
    framework = framework_of_object(function)
    code = code_of(function)
    if framework == "numpy" or code is None or not {*CONVERSIONS} & {*_names(code)} or frameworks.installed(framework):
        return framework
    return "numpy" if not _answers(function, framework) and _answers(function, "numpy") else framework


def _answers(function: Function, framework: str) -> bool:
    """Whether it answers a plain call with arrays of this framework with one of its own."""
    verbs = frameworks.load(framework)
    try:
        out = function(*(verbs.from_numpy(np.ones((1, 2, 64, 64), np.float32), "cpu") for _ in range(3)))
        verbs.to_numpy(out[0] if isinstance(out, tuple) else out)
    except Exception:  # foreign code
        return False
    return True


def framework_of_object(function: Function) -> str:
    """The framework whose arrays it takes: by its type, its annotations, its code, the imports of its file; NumPy if in doubt."""
    inner = innermost(function)
    owner = _code_owner(inner)
    for names in (_by_type(inner), _by_annotations(inner), _by_code(owner, set()), _by_imports(owner)):
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
        yield from _framework(type(value).__module__)  # of a function that JAX compiles, which has the module of its own code
        inner = inspect.unwrap(value) if callable(value) else value
        if isinstance(inner, FunctionType) and inner.__module__ == function.__module__:
            yield from _by_code(inner, known)


def _by_imports(function: object) -> set[str]:
    """What its file imports, of code that names no framework and calls methods alone; nothing where NumPy is among it."""
    modules = [value.__name__ for value in getattr(function, "__globals__", {}).values() if inspect.ismodule(value)]
    imported = {framework for name in modules for framework in _framework(name)}
    return set() if "numpy" in imported else imported


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

"""Function objects: a callable of any kind as a plain function with its declarations, and with what its code shows."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import cast

from attention_harness.registry.declarations import FUNCTIONS, OPERATOR_CHECK, RETURNED, TAKEN, OperatorReport, refuse_unread
from attention_harness.registry.modules.functions import as_layer, is_layer, without_parameters
from attention_harness.registry.modules.kinds import kind_of
from attention_harness.registry.reading import Function, code_of, framework_taken, innermost, returned_always
from attention_harness.registry.sources import beside, joined
from attention_specs.contract import ATTRIBUTES


def name_of(function: Function) -> str:
    """A name to show: that of the function, or of the class of an instance."""
    inner = innermost(function)
    return getattr(inner, "__name__", type(inner).__name__).strip("<>")


def declared_spec(function: object) -> str:
    """The spec that judges it, where a module or a declaration says it; "" elsewhere."""
    return "multi-head" if is_layer(function) else str(getattr(function, "spec", ""))


def as_function(function: Function, declared: Mapping[str, object] = {}) -> Function:
    """The callable as a function of its own, with its declarations and those beside it; the object itself is not changed.

    `declared` counts before the attributes of the function, and what is found counts where nothing is declared. Raises ValueError
    for declarations that nobody reads, or without a signature.
    """
    if is_layer(function):
        return as_layer(function, declared)
    function = cast(Function, without_parameters(function))
    refuse_unread(getattr(function, "__dict__", {}) if inspect.isfunction(function) else {})

    def attention(*arrays: object, **options: object) -> object:
        return function(*arrays, **options)

    inner = innermost(function)
    attributes = joined({name: getattr(inner, name) for name in ATTRIBUTES if hasattr(inner, name)}, declared)
    taken = _taken(function, attributes)
    vars(attention).update(attributes | taken, __signature__=signature_of(function))
    vars(attention)[TAKEN] = tuple(taken)
    if overload_of(function) is not None:
        vars(attention)[OPERATOR_CHECK] = operator_check(function)
    attention.__name__, attention.__doc__ = name_of(function), inspect.getdoc(inner)
    return attention


def operator_check(operator: object) -> Function:
    """A function that is called as the operator and raises an OperatorReport."""

    def check(*arrays: object, **options: object) -> object:
        from attention_harness.frameworks import torch_arrays

        raise OperatorReport(torch_arrays.operator_complaint(overload_of(operator), arrays, options))

    return check


def declaring(function: Function, declared: Mapping[str, object]) -> Function:
    """The function itself where nothing is to be added to it, else as a function of its own."""
    plain = inspect.isfunction(function) and not declared and not _taken(function, vars(function))
    return function if plain else as_function(function, declared)


def _taken(function: Function, declared: Mapping[str, object]) -> dict[str, object]:
    """Attribute -> value for what is not declared and shows in the code: arrays of another framework than NumPy, and a tuple always."""
    taken: dict[str, object] = {}
    if "framework" not in declared and (framework := framework_taken(function)) != "numpy":
        taken["framework"] = framework
    spec = declared.get("spec", FUNCTIONS.get(name_of(function)))
    parts = returned_always(code_of(function)) if "returns" not in declared and spec not in RETURNED else 0
    if parts and not any(name.startswith("return_") for name in signature_of(function).parameters):
        taken["returns"] = ("out", *("_" for _ in range(parts - 1)))
    return taken


def beside_object(function: Function) -> Mapping[str, object]:
    """What the file beside the code of the function declares. ValueError for a file that cannot be read so."""
    code = code_of(function)
    return beside(Path(code.co_filename), name_of(function)) if code else {}


def signature_of(function: Function) -> inspect.Signature:
    """The parameters that a call may still give: those that a partial binds are no parameters any more."""
    if not isinstance(function, partial):
        return _of_schema(function) or _of_python(function)
    signature = inspect.signature(partial(_signed(signature_of(function.func)), *function.args, **function.keywords))
    free = [one for name, one in signature.parameters.items() if name not in function.keywords]
    return signature.replace(parameters=free)


def _signed(signature: inspect.Signature) -> Function:
    def function(*arrays: object, **options: object) -> object: ...

    vars(function)["__signature__"] = signature
    return function


def _of_python(function: Function) -> inspect.Signature:
    try:
        return inspect.signature(getattr(function, "forward", function) if kind_of(function) == "torch" else function)
    except ValueError as error:
        raise ValueError(f"signature of {name_of(function)}=none, but should be written down: wrap it in a function") from error


def overload_of(function: object) -> object:
    """The overload that an operator of torch runs; None for anything else."""
    overload = next((getattr(function, name) for name in ("_opoverload", "default") if hasattr(function, name)), function)
    return overload if hasattr(overload, "_schema") else None


def _of_schema(function: object) -> inspect.Signature | None:
    """Of an operator of torch, which Python knows as (*args, **kwargs). Its schema has the parameters."""
    arguments = getattr(getattr(overload_of(function), "_schema", None), "arguments", None)
    if arguments is None:
        return None
    kinds = {False: inspect.Parameter.POSITIONAL_OR_KEYWORD, True: inspect.Parameter.KEYWORD_ONLY}
    defaults = [one.default_value if one.has_default_value() else inspect.Parameter.empty for one in arguments]
    pairs = zip(arguments, defaults, strict=True)
    return inspect.Signature([inspect.Parameter(a.name, kinds[a.kwarg_only], default=default) for a, default in pairs])

"""Turns a location into a function and its description. Runs in the worker: this is where frameworks are imported."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from harness import frameworks
from specs.contract import OPTIONS, Conventions, Description
from specs.dtypes import DTYPES
from specs.precision import named_precision


class LoadError(Exception):
    """The implementation cannot be loaded; `unavailable` tells whether only something is missing here."""

    def __init__(self, message: str, unavailable: bool = False) -> None:
        super().__init__("".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(message.split())))
        self.unavailable = unavailable


def load(name: str, location: str) -> tuple[Callable[..., Any], Description]:
    """The function at `location`, and what it declares. Raises LoadError with one line."""
    container, _, attribute = location.rpartition(":")
    framework = name.partition("-")[0] if container.startswith("implementations.") and ":" not in name else ""
    if framework and (reason := frameworks.installed(framework)):
        raise LoadError(reason, unavailable=True)
    module = _import(container)
    function = _function(module, attribute, location)
    description = describe(function, name)
    if reason := frameworks.installed(description.framework) or frameworks.load(description.framework).missing(
        description.device
    ):
        raise LoadError(reason, unavailable=True)
    return function, description


def _import(container: str) -> ModuleType:
    try:
        return _import_file(Path(container)) if container.endswith(".py") else import_module(container)
    except ModuleNotFoundError as error:
        raise LoadError(f"{error}: install it to use {container}", unavailable=True) from error
    except Exception as error:
        raise LoadError(f"importing {container} raised {type(error).__name__}: {error}") from error


def _import_file(path: Path) -> ModuleType:
    sys.path.insert(0, str(path.parent))
    spec = spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _function(module: ModuleType, attribute: str, location: str) -> Callable[..., Any]:
    names = [attribute] if attribute else ["attention", "multi_head", "prepare"]
    found = [getattr(module, name) for name in names if hasattr(module, name)]
    if not found:
        functions = ", ".join(n for n, f in vars(module).items() if inspect.isfunction(f) and f.__module__ == module.__name__)
        raise LoadError(f"target={location}, but should name a function of that module: {functions or 'it defines none'}")
    if not callable(found[0]):
        raise LoadError(f"target={location}, but should be a function, not {type(found[0]).__name__}")
    return from_protocol(module) if not attribute and names[2] in vars(module) else found[0]


def from_protocol(module: Any) -> Callable[..., Any]:
    """A module with `supports` and `prepare` as a function: each new kind of problem is prepared once."""
    prepared: dict[str, Callable[..., Any]] = {}

    def attention(q: Any, k: Any, v: Any, **options: Any) -> Any:
        problem = {"shapes": [tuple(a.shape) for a in (q, k, v)], "dtype": str(q.dtype), "options": sorted(options)}
        if reason := module.supports(problem) if hasattr(module, "supports") else None:
            raise NotImplementedError(reason)
        if str(problem) not in prepared:
            prepared[str(problem)] = module.prepare(problem)
        return prepared[str(problem)](q, k, v, **options)

    for name in ("framework", "device", "layout", "dtypes", "conventions", "precision", "gradient", "backward", "options"):
        if hasattr(module, name):
            setattr(attention, name, getattr(module, name))
    attention.__doc__ = module.__doc__
    if not hasattr(module, "options"):
        attention.options = ("mask", "bias", "is_causal", "scale")  # type: ignore[attr-defined]
    return attention


def describe(function: Callable[..., Any], name: str) -> Description:
    """What the function declares by signature and attributes. Raises LoadError."""
    framework = str(getattr(function, "framework", "numpy"))
    try:
        conventions = _conventions(getattr(function, "conventions", {}))
        spec = getattr(function, "spec", "multi-head" if getattr(function, "__name__", "") == "multi_head" else "attention")
        return Description(
            name=name,
            spec=spec,
            framework=framework,
            version="" if frameworks.installed(framework) else frameworks.load(framework).version(),
            device=str(getattr(function, "device", "cpu")),
            options=tuple(getattr(function, "options", None) or accepted(function, spec, name)),
            dtypes=_dtypes(getattr(function, "dtypes", None)),
            conventions=conventions,
            precision=_precision(getattr(function, "precision", {})),
            gradient=bool(getattr(function, "gradient", False)),
            compiles=not frameworks.installed(framework) and frameworks.load(framework).COMPILES,
            summary=(inspect.getdoc(function) or "").partition("\n")[0],
        )
    except (TypeError, ValueError) as error:
        raise LoadError(f"{name}: {error}") from error


def _conventions(declared: Any) -> Conventions:
    return declared if isinstance(declared, Conventions) else Conventions.declared(declared)


def _dtypes(declared: Any) -> tuple[str, ...] | None:
    unknown = set(declared or ()) - set(DTYPES)
    if unknown:
        raise ValueError(f"dtypes={', '.join(sorted(unknown))}, but should be among {', '.join(DTYPES)}")
    return tuple(declared) if declared is not None else None


def _precision(declared: Any) -> Mapping[str, str]:
    by_dtype = dict.fromkeys(DTYPES, declared) if isinstance(declared, str) else dict(declared)
    for dtype, name in by_dtype.items():
        named_precision(name, dtype)
    return by_dtype


POSITIONAL = {"attention": 3, "multi-head": 11}
"""Arrays that each spec passes by position."""


def accepted(function: Callable[..., Any], spec: str, name: str) -> tuple[str, ...]:
    """Options of the contract that the signature names; all of them where it takes any keyword. Raises TypeError."""
    parameters = inspect.signature(function).parameters
    needed = POSITIONAL.get(spec, 3)
    try:
        inspect.signature(function).bind(*[None] * needed, **({"heads": 1} if spec == "multi-head" else {}))
    except TypeError as error:
        arrays = "three arrays, q, k and v" if needed == 3 else f"{needed} arrays and heads"
        raise TypeError(f"signature={_shown(function)}, but should take {arrays}: {error}") from error
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return OPTIONS
    return tuple(option for option in OPTIONS if option in parameters)


def _shown(function: Callable[..., Any]) -> str:
    return f"{getattr(function, '__name__', 'function')}{inspect.signature(function)}"

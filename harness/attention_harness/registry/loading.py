"""The loading of a function and its description from a location. Runs in the worker, where frameworks are imported."""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from attention_harness import frameworks
from attention_harness.registry.call_form import in_contract_form
from attention_harness.registry.declarations import (
    FUNCTIONS,
    NOTES,
    OPERATOR_CHECK,
    TAKEN,
    refuse_other_kinds,
    refuse_unread,
    spec_of_function,
)
from attention_harness.registry.modules.kinds import kind_of
from attention_harness.registry.objects import declaring
from attention_harness.registry.parameters import Parameters
from attention_harness.registry.protocol import from_protocol
from attention_harness.registry.sources import beside, joined, written
from attention_harness.registry.stored import rotary_of, storage_of
from attention_harness.registry.targets import GROUP, known, library_of
from attention_specs.choices import one_of
from attention_specs.contract import ATTRIBUTES, LSE_LAYOUTS, MASK_MEANINGS, Conventions, Description
from attention_specs.formats import DTYPES
from attention_specs.forms import FORMS
from attention_specs.precision import named_precision

Function = Callable[..., object]


class LoadError(Exception):
    """The implementation cannot be loaded; `unavailable` is True where only something is missing here."""

    def __init__(self, message: str, unavailable: bool = False) -> None:
        super().__init__("".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(message.split())))
        self.unavailable = unavailable


def load(name: str, location: str, declared: str = "") -> tuple[Callable[..., object], Description]:
    """The function at `location`, with options by their names in the contract, and its description. Raises LoadError.

    `declared` is JSON of attributes that count before those beside the code, and these before those of the function.
    """
    container, _, attribute = location.rpartition(":")
    library = library_of(container) if ":" not in name else ""
    if library and (reason := frameworks.installed(library)):
        raise LoadError(reason, unavailable=True)
    module = _import(container)
    function = _entry(module, attribute, name) or _function(module, attribute, location)
    function = _declaring(function, module, attribute, json.loads(declared or "{}"))
    description = available(function, name)
    return in_contract_form(function, description), replace(description, version=_version(description, container, function))


def _declaring(function: Function, module: ModuleType, attribute: str, declared: Mapping[str, object]) -> Function:
    """The function with what is declared beside it. Raises LoadError."""
    path = getattr(module, "__file__", None)
    try:
        return declaring(function, joined(beside(Path(path), attribute or "attention") if path else {}, declared))
    except (TypeError, ValueError) as error:
        raise LoadError(str(error)) from error


def load_file(path: Path) -> ModuleType:
    """The file as a module. Raises LoadError."""
    return _import(str(path))


def available(function: Callable[..., object], name: str) -> Description:
    """The declarations of a function. Raises LoadError, also for a framework or a device that is missing here."""
    description = describe(function, name)
    if reason := frameworks.installed(description.framework) or frameworks.load(description.framework).missing(
        description.device
    ):
        raise LoadError(reason, unavailable=True)
    return description


def _entry(module: ModuleType, attribute: str, name: str) -> Callable[..., object] | None:
    """The function of that name, where the attribute is a mapping of functions; None elsewhere."""
    mapping = getattr(module, attribute, None) if attribute else None
    return mapping.get(name) if isinstance(mapping, Mapping) else None


def _version(description: Description, container: str, function: Callable[..., object]) -> str:
    """The version of the framework that is declared, and that of the distribution that the function comes from.

    A function that declares no framework gets NumPy's arrays and may compute with anything: then a file has no version.
    """
    package = "" if container.endswith(".py") else container.partition(".")[0]
    library = library_of(container)
    ours = framework_of(function) in (package, library)
    distributions = _distributions("" if library else description.name, library or package) if package and not ours else {}
    known = [description.version] if ours or distributions or hasattr(function, "framework") else []
    return ", ".join([*known, *(f"{name} {number}" for name, number in distributions.items())])


def _distributions(name: str, package: str) -> dict[str, str]:
    """Name -> version of the distributions that register the implementation, or else that hold the package."""
    from importlib.metadata import entry_points, packages_distributions, version  # 12 ms, and 90 ms to read them

    registered = {entry.dist.name: entry.dist.version for entry in entry_points(group=GROUP, name=name) if entry.dist}
    return registered or {name: version(name) for name in packages_distributions().get(package, [])}


def framework_of(function: Callable[..., object]) -> object:
    """The framework whose arrays the function takes, as declared."""
    return getattr(function, "framework", "numpy")


def _import(container: str) -> ModuleType:
    try:
        return _import_file(Path(container)) if container.endswith(".py") else import_module(container)
    except ModuleNotFoundError as error:
        raise LoadError(f"{error}: install it to use {container}", unavailable=True) from error
    except Exception as error:
        raise LoadError(f"importing {container} raised {type(error).__name__}: {error}") from error


def _import_file(path: Path) -> ModuleType:
    """The file as a module: of its package where it imports from there, else by itself, with the files beside it."""
    package = package_of(path) if _imports_from_package(path) else ""
    if package:
        with _first_on_path(path.parents[package.count(".") + 1]):
            return import_module(f"{package}.{path.stem}")
    name = path.stem if path.stem.isidentifier() and not known(path.stem) else f"file_{path.stem}"
    spec = spec_from_file_location(name, path)
    assert spec and spec.loader
    module = module_from_spec(spec)
    sys.modules[name] = module
    with _first_on_path(path.parent):
        spec.loader.exec_module(module)
    return module


@contextmanager
def _first_on_path(folder: Path) -> Iterator[None]:
    """What lies in the folder comes first while a file is imported, as in a script, and last for all others."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.path.append(str(folder))


def package_of(path: Path) -> str:
    """The package whose file it is, by its folders with `__init__.py`; "" for none.

    >>> package_of(Path(__file__))
    'attention_harness.registry'
    """
    folders: list[str] = []
    for folder in path.resolve().parents:
        if not (folder / "__init__.py").exists():
            break
        folders.insert(0, folder.name)
    return ".".join(folders)


def _imports_from_package(path: Path) -> bool:
    return any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(ast.parse(path.read_bytes())))


def _function(module: ModuleType, attribute: str, location: str) -> Callable[..., object]:
    names = [attribute] if attribute else [*FUNCTIONS, "prepare"]
    candidates = [getattr(module, name) for name in names if hasattr(module, name)]
    if not candidates:
        functions = ", ".join(n for n, f in vars(module).items() if inspect.isfunction(f) and f.__module__ == module.__name__)
        raise LoadError(f"target={location}, but should name a function of that module: {functions or 'it defines none'}")
    if inspect.isclass(candidates[0]) and not kind_of(candidates[0]):
        made = f"an instance in that file, such as attention = {candidates[0].__name__}(...)"
        raise LoadError(f"target={location}, but should be a function, or {made}, not a class")
    if not callable(candidates[0]):
        raise LoadError(f"target={location}, but should be a function, not {type(candidates[0]).__name__}")
    protocol = not attribute and "prepare" in vars(module) and (len(candidates) == 1 or "supports" in vars(module))
    return _from_protocol(module, location) if protocol else candidates[0]


def _from_protocol(module: ModuleType, location: str) -> Callable[..., object]:
    """As `from_protocol`. LoadError for plain data of the module that is nearly a declaration."""
    data = {name: value for name, value in vars(module).items() if not callable(value) and not inspect.ismodule(value)}
    try:
        refuse_unread(data)
    except ValueError as error:
        raise LoadError(f"{location}: {error}") from error
    return from_protocol(module)


def describe(function: Callable[..., object], name: str) -> Description:
    """The description of the function, by its signature and attributes. Raises LoadError."""
    try:
        refuse_unread(getattr(function, "__dict__", {}))
        refuse_other_kinds(function)
        framework = one_of("framework", framework_of(function), frameworks.NAMES)
        form = FORMS[one_of("form", getattr(function, "form", "padded"), FORMS)]
        layout = one_of("layout", getattr(function, "layout", form.layouts[0]), form.layouts)
        named = getattr(function, "conventions", {})
        conventions = _conventions(named)
        spec = spec_of_function(function)
        parameters, taken = Parameters(function, spec), getattr(function, TAKEN, ())
        return Description(
            name=name,
            spec=spec,
            framework=framework,
            version="" if frameworks.installed(framework) else frameworks.load(framework).version(),
            device=_device(str(getattr(function, "device", "cpu")), framework),
            options=parameters.options,
            names=parameters.names,
            dtypes=_dtypes(getattr(function, "dtypes", None)),
            conventions=form.conventions(conventions),
            precision=_precision(getattr(function, "precision", {})),
            gradient=one_of("gradient", getattr(function, "gradient", False), (False, True) if form.differentiable else (False,)),
            compiles=not frameworks.installed(framework) and frameworks.load(framework).COMPILES,
            summary=(inspect.getdoc(function) or "").partition("\n")[0][:1000],
            form=form.name,
            metadata=parameters.metadata,
            layout=layout,
            lse_layout=one_of("lse_layout", getattr(function, "lse_layout", LSE_LAYOUTS[0]), LSE_LAYOUTS),
            declared=(*(name for name in ATTRIBUTES if hasattr(function, name) and name not in taken), *_named(named)),
            positional=parameters.positional,
            needed=parameters.needed,
            returns=parameters.returns,
            mask_means=one_of("mask_means", getattr(function, "mask_means", "visible"), MASK_MEANINGS),
            contiguous=one_of("contiguous", getattr(function, "contiguous", False), (False, True)),
            open_side=parameters.open_side,
            domain=parameters.domain,
            implied=parameters.implied,
            switches=parameters.switches,
            storage=storage_of(function, parameters.options, form),
            rotary=rotary_of(function, spec),
            module=hasattr(function, NOTES),
            operator=hasattr(function, OPERATOR_CHECK),
            notes=(
                *(f"taken from its code: {text}" for text in written({n: getattr(function, n) for n in taken})),
                *parameters.notes,
                *getattr(function, NOTES, ()),
            ),
        )
    except (TypeError, ValueError) as error:
        raise LoadError(f"{name}: {error}") from error


def _conventions(declared: object) -> Conventions:
    return declared if isinstance(declared, Conventions) else Conventions.declared(declared)


def _named(declared: Conventions | Mapping[str, object]) -> Iterator[str]:
    """The named conventions; from an object that has all of them, those that differ from the defaults."""
    if not isinstance(declared, Conventions):
        yield from declared
        return
    yield from (field.name for field in fields(Conventions) if getattr(declared, field.name) != field.default)


def _device(declared: str, framework: str) -> str:
    """The device as declared, `cuda:1` too."""
    one_of("device", declared.partition(":")[0], frameworks.DEVICES[framework])
    return declared


def _dtypes(declared: Collection[str] | None) -> tuple[str, ...] | None:
    unknown = set(declared or ()) - set(DTYPES)
    if unknown:
        raise ValueError(f"dtypes={', '.join(sorted(unknown))}, but should be among {', '.join(DTYPES)}")
    return tuple(declared) if declared is not None else None


def _precision(declared: str | Mapping[str, str]) -> Mapping[str, str]:
    by_dtype = dict.fromkeys(DTYPES, declared) if isinstance(declared, str) else dict(declared)
    for dtype, name in by_dtype.items():
        one_of("precision of dtype", dtype, DTYPES)
        named_precision(name, dtype)
    return by_dtype

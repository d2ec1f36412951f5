"""Faults of one's own: the functions of a file, tried as those of the catalogue are.

A process of its own reads the file first: whatever the import does, the command says in one line.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from types import ModuleType

from attention_harness.audit.quiet_process import quiet_process
from attention_harness.audit.selection import Entry, Function, Selection, chosen
from attention_harness.errors import UsageError
from attention_harness.registry.loading import LoadError, available, load_file
from attention_harness.registry.objects import declaring
from attention_harness.registry.sources import beside, joined
from attention_harness.registry.targets import Target
from attention_harness.runs.executors import map_in_pool

MAPPINGS = ("FAULTS", "MUTANTS")
"""Names of the mapping that a file may have."""

CONTROL = "sound"
"""How the name of a control begins."""

HELPERS = "; the name of a helper begins with _, or FAULTS = {...} has the functions to try"


def from_file(file: str, patterns: Sequence[str], attributes: Mapping[str, object] = {}) -> Selection:
    """The functions of a file, or those of these names or globs, with these attributes on top. Raises UsageError."""
    path = Path(file)
    try:
        path.read_bytes()
    except OSError as error:
        raise UsageError(f"file={file}, but should be a file that can be read: {error.strerror}") from error
    try:
        (entries,) = map_in_pool(partial(_read, attributes=json.dumps(attributes)), [path.resolve()], 1, lambda name: None)
    except BrokenProcessPool as error:
        raise UsageError(f"file={file}, but should be a file that can be imported: its import ends the process") from error
    known = {entry.name: entry for entry in entries}
    names = chosen("only", patterns, known, f"a name of {path.name}, or a glob over them: {', '.join(known)}")
    return Selection(
        tuple(known[name] for name in names), partial(functions, path.resolve(), json.dumps(attributes)), path.resolve()
    )


def _read(path: Path, tick: Callable[[str], None], attributes: str) -> list[Entry]:
    quiet_process()
    return entries_of(path, attributes)


def entries_of(path: Path, attributes: str = "{}") -> list[Entry]:
    """One entry for each function of the file, in its order. Imports it; raises UsageError."""
    alone = _alone(path)
    entries = [_entry(path, name, function, name in alone) for name, function in functions(path, attributes).items()]
    return [replace(entry, target=entry.target.declaring(json.loads(attributes))) for entry in entries]


def _entry(path: Path, name: str, function: Function, alone: bool) -> Entry:
    mapping = _mapping(path)
    try:
        description = available(function, name)
    except LoadError as error:
        hint = HELPERS if "signature=" in str(error) and not mapping else ""
        raise UsageError(f"{path.name}: {error}{hint}") from error
    return Entry(
        name=name,
        target=Target(name, f"{path}:{mapping or name}", registered=False),
        spec=description.spec,
        control=name.startswith(CONTROL),
        alone=alone,
        family="own",
        family_name=path.name,
    )


@cache
def functions(path: Path, attributes: str = "{}") -> dict[str, Function]:
    """Name -> function with what is declared beside it: the mapping of the file, or else its public functions. Raises UsageError."""
    module, mapping = _module(path), _mapping(path)
    named = (
        _mapped(path, mapping)
        if mapping
        else {name: value for name, value in vars(module).items() if _public(name, value, module)}
    )
    if not named:
        raise UsageError(f"file={path.name}, but should have {f'a function in {mapping}' if mapping else 'a public function'}")
    try:
        return {name: declaring(function, joined(beside(path, name), json.loads(attributes))) for name, function in named.items()}
    except ValueError as error:
        raise UsageError(f"{path.name}: {error}") from error


@cache
def _module(path: Path) -> ModuleType:
    try:
        return load_file(path)
    except LoadError as error:
        raise UsageError(str(error)) from error
    except SystemExit as error:
        raise UsageError(f"importing {path} raised SystemExit: {error.code}") from error


def _mapping(path: Path) -> str:
    """The name of the mapping that the file has; "" for none. Raises UsageError for both."""
    named = [name for name in MAPPINGS if hasattr(_module(path), name)]
    if len(named) > 1:
        raise UsageError(f"file={path.name} with {' and '.join(named)}, but should have one of them")
    return "".join(named)


def _mapped(path: Path, name: str) -> dict[str, Function]:
    mapping = getattr(_module(path), name)
    if not isinstance(mapping, Mapping):
        raise UsageError(f"{name} of {path.name}={type(mapping).__name__}, but should be a mapping of names to functions")
    for key, value in mapping.items():
        if not (isinstance(key, str) and key.strip() and key.isprintable()):
            raise UsageError(f"{name} of {path.name} has {key!r}, but should have names alone")
        if not callable(value):
            raise UsageError(f"{name}[{key!r}] of {path.name}={type(value).__name__}, but should be a function")
    return dict(mapping)


def _public(name: str, value: object, module: ModuleType) -> bool:
    """Whether it is a function that the file defines and does not hide; a compiled one wraps its function."""
    function = inspect.isfunction(value) or (hasattr(value, "__wrapped__") and callable(value))
    return function and not name.startswith("_") and getattr(value, "__module__", "") == module.__name__


def _alone(path: Path) -> AbstractSet[str]:
    """The names of the functions that get a process of their own. Raises UsageError."""
    names = getattr(_module(path), "ALONE", ())
    if not isinstance(names, AbstractSet | list | tuple) or not all(isinstance(name, str) for name in names):
        raise UsageError(f"ALONE of {path.name}={names!r}, but should be a set of names")
    for name in names:
        if name not in functions(path):
            raise UsageError(
                f"ALONE of {path.name} has {name}, but should have names of its functions: {', '.join(functions(path))}"
            )
    return set(names)

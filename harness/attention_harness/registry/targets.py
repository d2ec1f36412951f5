"""Names to implementations: built-in files, entry points of other packages, `package.module:function`, `file.py:function`.

Only metadata are imported here: loading happens in the worker of the implementation.
"""

from __future__ import annotations

import ast
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path

import attention_implementations
from attention_harness.errors import UsageError
from attention_harness.registry.declarations import FUNCTIONS
from attention_harness.registry.sources import joined

GROUP = "attention_harness.implementations"


def spec_by_name(name: str) -> str:
    """The spec that the name of an implementation stands for, where nothing else says it."""
    plain = name.replace("_", "-")
    return next(filter(plain.endswith, FUNCTIONS.values()), "attention")


@dataclass(frozen=True)
class Target:
    """An implementation that can be asked for: `location` is `module:attribute`, `module:` or `file.py:attribute`."""

    name: str
    location: str
    registered: bool = True
    declared: str = ""
    """JSON of attributes that are declared beside the function, by the command or from Python; "" for none."""

    def declaring(self, attributes: Mapping[str, object]) -> Target:
        """The target with these attributes on top; a registered one declares its own."""
        if self.registered or not attributes:
            return self
        before = json.loads(self.declared) if self.declared else {}
        return replace(self, declared=json.dumps(joined(before, attributes)))


def registered() -> list[Target]:
    """All built-ins and entry points, sorted by name. UsageError if two have one name."""
    from importlib.metadata import entry_points  # 12 ms, which a worker does without

    targets = [*_built_in(), *(Target(e.name, e.value if ":" in e.value else f"{e.value}:") for e in entry_points(group=GROUP))]
    taken: dict[str, Target] = {}
    for target in targets:
        if target.name in taken:
            raise UsageError(f"name={target.name}, but should be taken once: {taken[target.name].location} and {target.location}")
        taken[target.name] = target
    return [taken[name] for name in sorted(taken)]


def _built_in() -> list[Target]:
    """One for each file below a framework's folder: `torch/cuda/sdpa_math.py` is `torch-cuda-sdpa-math`."""
    (package,) = map(Path, attention_implementations.__path__)
    places = [
        path.relative_to(package).with_suffix("").parts for path in package.glob("*/**/*.py") if not path.stem.startswith("_")
    ]
    return [Target("-".join(parts).replace("_", "-"), ".".join((package.name, *parts)) + ":") for parts in places]


def source_of(target: Target) -> Path | None:
    """The file of the function, found without importing anything; None where there is no such file."""
    place = target.location.rpartition(":")[0]
    if place.endswith(".py"):
        return Path(place)
    package, *parts = place.split(".")
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return None
    folders = [Path(folder, *parts) for folder in (spec.submodule_search_locations or () if spec else ())]
    files = [file for folder in folders for file in (folder.with_suffix(".py"), folder / "__init__.py")]
    files += [Path(spec.origin)] if spec and spec.origin and not parts else []
    return next(filter(Path.is_file, files), None)


def library_of(container: str) -> str:
    """The library that an implementation of ours computes with: the folder that it lies in; "" for any other.

    >>> library_of("attention_implementations.onnxruntime.gqa"), library_of("mine.kernels")
    ('onnxruntime', '')
    """
    package, _, rest = container.partition(".")
    return rest.partition(".")[0] if package == "attention_implementations" else ""


def resolve(wanted: Sequence[str], attributes: Mapping[str, object] = {}) -> list[Target]:
    """The targets named on the command line, each once; all registered ones if none is named. Those by place get the attributes."""
    everything = registered()
    if not wanted:
        return everything
    targets = {target.name: target for name in wanted for target in _matches(name, everything)}
    return [target.declaring(attributes) for target in targets.values()]


def _matches(name: str, everything: list[Target]) -> list[Target]:
    if ":" in name:
        return [_from_file(name) if _path(name).suffix == ".py" else _from_module(name)]
    matches = [target for target in everything if fnmatchcase(target.name, name)]
    if not matches:
        raise UsageError(f"target={name}, but should be {_hint(name, everything)}")
    return matches


def _hint(name: str, everything: list[Target]) -> str:
    if name.endswith(".py"):
        return f"{name}:FUNCTION, with the name of the function in that file"
    near = get_close_matches(name, [target.name for target in everything], 3)
    names = f"{' or '.join(near)}" if near else "a name that `attention-harness list` shows"
    return f"{names}, a glob over names, package.module:function or file.py:function"


def _path(name: str) -> Path:
    return Path(name.rpartition(":")[0])


def _from_file(name: str) -> Target:
    path, function = _path(name), name.rpartition(":")[2]
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except OSError as error:
        raise UsageError(f"target={name}, but should name a file that can be read: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"target={name}, but should name a Python file: {error}") from error
    if not function.isidentifier():
        raise UsageError(f"target={name}, but should end in a function of that file: {_functions(tree)}")
    return Target(name, f"{path.resolve()}:{function}", registered=False)


def _functions(tree: ast.Module) -> str:
    return ", ".join(node.name for node in tree.body if isinstance(node, ast.FunctionDef)) or "it defines none"


def _from_module(name: str) -> Target:
    module, _, function = name.partition(":")
    if not _importable(module) or not function.isidentifier():
        raise UsageError(f"target={name}, but should be package.module:function with a module that can be imported from here")
    return Target(name, name, registered=False)


def _importable(module: str) -> bool:
    """Whether the module can be imported, from the working directory if from nowhere else; processes get the same path."""
    if known(module):
        return True
    sys.path.append(os.getcwd())
    if known(module):
        return True
    sys.path.pop()
    return False


def known(module: str) -> bool:
    """Whether a module of that name is on the path of this process."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False

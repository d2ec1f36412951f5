"""Our own modules in a process with foreign code: it has those that call an implementation, and none of those that judge it.

A module of ours that the process does not need is a stand-in there. So a file that imports `check_attention` at its top can be
loaded; a function that calls into the oracle violates the contract, and says so. Where the kernel has Landlock, the files
behind the stand-ins cannot be read either, whatever is done to the import system.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from attention_harness.errors import UsageError

PACKAGES = ("attention_specs", "attention_harness")
ROOMS = ("attention_harness.errors", "attention_harness.frameworks", "attention_harness.process", "attention_harness.registry")
"""Modules that a worker may need later, with all that is in them."""
DECLARING = ("attention_specs.sizes",)
"""Modules that implementations may import."""
CATALOGUE = "attention_harness.audit"
"""The room of planted faults, which are made of parts of ours and are no foreign code."""


def rooms_for(location: str) -> tuple[str, ...]:
    """The further modules that a target at this location is made of."""
    return PACKAGES if location.startswith(f"{CATALOGUE}.") else ()


CALLED_AT_IMPORT = 'check_attention=called at import, but should stand below `if __name__ == "__main__":`, or in a test'


class AsksTheJudge(Exception):
    """A function under test that calls the oracle, or another part of the judge."""


def of_the_judge(file: object) -> bool:
    """Whether a file lies in our packages."""
    folders = [Path(place).parent for name in PACKAGES if (place := getattr(sys.modules.get(name), "__file__", None))]
    return isinstance(file, str | os.PathLike) and any(Path(file).is_relative_to(folder) for folder in folders)


class StandIn:
    """A name of the judge. It can be imported and named; a call of it raises AsksTheJudge once the implementation is loaded."""

    def __init__(self, path: str, own: OwnModules) -> None:
        self._path, self._own = path, own

    def __getattr__(self, name: str) -> StandIn:
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn(f"{self._path}.{name}", self._own)

    def __call__(self, *arguments: object, **options: object) -> StandIn:
        """Another stand-in. Raises AsksTheJudge."""
        self._own.refuse(self._path)
        return StandIn(f"{self._path}()", self._own)

    def __repr__(self) -> str:
        return f"a stand-in for {self._path}"


class StandInModule(ModuleType):
    """A module of the judge."""

    def __init__(self, name: str, own: OwnModules) -> None:
        super().__init__(name)
        self._own = own

    def __getattr__(self, name: str) -> StandIn:
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn(f"{self.__name__}.{name}", self._own)


class OwnModules(MetaPathFinder, Loader):
    """Finds stand-ins, from the moment that it is made."""

    def __init__(self, rooms: Sequence[str] = ()) -> None:
        self.loaded = frozenset(sys.modules)
        self.rooms = (*ROOMS, *DECLARING, *rooms)
        self.calling = False
        sys.meta_path.insert(0, self)

    def refuse(self, path: str) -> None:
        """AsksTheJudge, once the implementation is loaded; UsageError for a file that checks itself while it is loaded."""
        if self.calling:
            raise AsksTheJudge(f"it calls {path}: an implementation has to compute its answer itself")
        if path.endswith(".check_attention"):
            raise UsageError(CALLED_AT_IMPORT)

    def needed(self, name: str) -> bool:
        """Whether the process may have this module of ours."""
        return name in self.loaded or any(f"{name}.".startswith(f"{room}.") for room in self.rooms)

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """A stand-in for a module of the judge; None for all others."""
        if name.partition(".")[0] not in PACKAGES or self.needed(name):
            return None
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The stand-in."""
        return StandInModule(spec.name, self)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: a stand-in is complete."""

    def hidden(self) -> Iterator[Path]:
        """The files and folders of our packages that the process has no need of."""
        for package in PACKAGES:
            if file := getattr(sys.modules.get(package), "__file__", None):
                yield from self._hidden(Path(file).parent, package)

    def _hidden(self, folder: Path, package: str) -> Iterator[Path]:
        with os.scandir(folder) as entries:
            for entry in entries:
                stem = entry.name.partition(".")[0]
                name = package if stem == "__init__" else f"{package}.{stem}"
                if stem == "__pycache__":
                    yield from self._hidden(Path(entry.path), package)
                elif not entry.is_dir():
                    yield from () if self.needed(name) else (Path(entry.path),)
                elif self.needed(name):
                    yield from self._hidden(Path(entry.path), name)
                else:
                    yield Path(entry.path)

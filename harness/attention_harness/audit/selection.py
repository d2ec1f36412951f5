"""The functions that an audit tries, by name: faults and controls of the catalogue, or those of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import filter as matching
from functools import cache
from pathlib import Path

from attention_harness.audit.conforming import absent, declaring
from attention_harness.audit.controls import BASES, CONTROLS
from attention_harness.audit.faults import PADDED, Fault, load_all
from attention_harness.audit.faults._families import FAMILIES
from attention_harness.errors import UsageError
from attention_harness.registry.targets import Target
from attention_specs.choices import ALIKE, nearest

Function = Callable[..., object]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One function to try: a fault, or a control, which no property may reject."""

    name: str
    target: Target
    spec: str
    control: bool = False
    alone: bool = False
    """Whether it gets a worker process of its own, which it may end, block or fill."""
    base: bool = False
    """Whether others are compared with it."""
    turn: int | None = None
    """Its number among the functions that are asked on every so many cases, if it is one of them."""
    form: str = ""
    """The form of its calls, where that is not the padded one."""
    family: str = ""
    family_name: str = ""
    link: str = ""


@dataclass(frozen=True)
class Selection:
    """The entries of an audit. `functions` gives name -> function in the process that calls it; `file`: where they come from."""

    entries: tuple[Entry, ...]
    functions: Callable[[], Mapping[str, Function]]
    file: Path | None = None
    untried: str = ""
    """Which controls are missing here, and why."""
    notes: Path | None = None
    """A folder in which each process writes the name of the function that it calls."""

    @property
    def faults(self) -> list[Entry]:
        """All but the controls."""
        return [entry for entry in self.entries if not entry.control]

    @property
    def controls(self) -> list[Entry]:
        """The functions that no property may reject."""
        return [entry for entry in self.entries if entry.control]

    @property
    def arguments(self) -> dict[str, object]:
        """The words that run.json has for a file and its chosen functions; none for the catalogue."""
        return {"file": str(self.file), "functions": [entry.name for entry in self.entries]} if self.file else {}


def from_catalogue(patterns: Sequence[str]) -> Selection:
    """The faults of these names or globs, all if none is named, and every control. Raises UsageError."""
    words = "a name of the catalogue in attention_harness.audit.faults, a glob over them, or FILE.py"
    names = chosen("fault", patterns, load_all(), words)
    return Selection((*_controls(), *(_fault(load_all()[name]) for name in names)), catalogue, untried=absent())


def chosen(option: str, patterns: Sequence[str], known: Iterable[str], words: str) -> list[str]:
    """The known names that a pattern names, in their order; all without a pattern. UsageError for one that names nothing."""
    names = list(known)
    matches = {pattern: {pattern} & set(names) or set(matching(names, pattern)) for pattern in patterns}
    for pattern, matched in matches.items():
        if not matched:
            raise UsageError(f"{option}={pattern}, but should be {nearest(pattern, names, ALIKE) or words}")
    return [name for name in names if not patterns or any(name in matched for matched in matches.values())]


@cache
def catalogue() -> dict[str, Function]:
    """Name -> function: controls and faults."""
    return CONTROLS | declaring() | {name: fault.function for name, fault in load_all().items()}


def _fault(fault: Fault) -> Entry:
    return Entry(
        name=fault.name,
        target=Target(fault.name, fault.location),
        spec=fault.spec,
        alone=fault.alone,
        form="" if fault.form == PADDED else fault.form,
        family=fault.family,
        family_name=FAMILIES[fault.family],
        link=fault.link,
    )


def _controls() -> list[Entry]:
    turns = {name: number for number, name in enumerate(declaring())}
    return [
        Entry(
            name=name,
            target=Target(name, name),
            spec=str(getattr(function, "spec", "attention")),
            control=True,
            base=name in BASES,
            turn=turns.get(name),
        )
        for name, function in (CONTROLS | declaring()).items()
    ]
